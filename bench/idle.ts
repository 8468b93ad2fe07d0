import { setTimeout as sleep } from 'node:timers/promises';
import { startStack } from '../test/support/netfilter-stack.ts';
import { scrape } from '../test/support/scrape.ts';
import { cpuSeconds, residentMib } from './process-figures.ts';
import type { Row } from './row.ts';

const SETTLE_MS = 5_000;
const SCRAPE_EVERY_MS = 15_000;
const SCRAPES = 2;

/** Beside netfilter: every container that there is a watcher for. */
const SERVICES = ['postfix-mailcow', 'dovecot-mailcow', 'sogo-mailcow', 'fail2ban'];

/** A quiet system with every watcher on that is on by itself: memory, processor time, and the time from start to watching. */
export async function benchIdle(program: string[]): Promise<Row[]> {
  const stack = await startStack({ program });
  try {
    await stack.startNetfilter();
    for (const service of SERVICES) await stack.startService(service);
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    // Netfilter listens: all is well, and there is nothing to tell.
    const listener = stack.redis.client.duplicate();
    listener.on('error', () => {});
    await listener.subscribe('F2B_CHANNEL');
    const startedAt = performance.now();
    const cowbell = await stack.startCowbell();
    const startMs = performance.now() - startedAt;
    await sleep(SETTLE_MS);
    // The first one loads what it takes.
    await scrape(cowbell);
    const before = cpuSeconds(cowbell.pid);
    for (let n = 0; n < SCRAPES; n++) {
      await sleep(SCRAPE_EVERY_MS);
      await scrape(cowbell);
    }
    const share = ((cpuSeconds(cowbell.pid) - before) / ((SCRAPES * SCRAPE_EVERY_MS) / 1000)) * 100;
    const mib = residentMib(cowbell.pid);
    listener.disconnect();
    return [
      {
        what: 'idle, all watchers on, metrics read every 15 s',
        goal: '≤ 90 MB resident, ≤ 0.5 % of one core',
        figure: `${mib.toFixed(0)} MB, ${share.toFixed(2)} %`,
        isMet: mib <= 90 && share <= 0.5,
      },
      {
        what: 'start to watching',
        goal: '≤ 1 s',
        figure: `${(startMs / 1000).toFixed(2)} s`,
        isMet: startMs <= 1_000,
      },
    ];
  } finally {
    await stack.close();
  }
}
