import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../src/ledger/database.ts';
import { composeLabels } from '../test/support/docker-engine.ts';
import { eventually } from '../test/support/eventually.ts';
import { startStack } from '../test/support/netfilter-stack.ts';
import { residentMib } from './process-figures.ts';
import type { Row } from './row.ts';

const ADDRESSES = 100_000;

/** A spray that never uses an address twice: each fails to log in once, and is refused once. */
export async function benchAddresses(program: string[]): Promise<Row> {
  const stack = await startStack({ program });
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  try {
    writeFileSync(join(folder, 'log'), sprayLines());
    await stack.engine.run({
      name: 'postfix',
      labels: composeLabels('postfix-mailcow'),
      binds: [`${folder}:/feed`],
      script: 'while [ ! -e /feed/go ]; do sleep 0.1; done; cat /feed/log; sleep 3600',
    });
    const cowbell = await stack.startCowbell('watchers: [{type: postfix}, {type: redis}]');
    let peakMib = 0;
    const sampling = setInterval(() => {
      peakMib = Math.max(peakMib, residentMib(cowbell.pid));
    }, 100);
    const startedAt = performance.now();
    writeFileSync(join(folder, 'go'), '');
    await eventually(
      () => {
        const { failed, refused } = countRecorded(stack.state);
        if (failed < ADDRESSES || refused < ADDRESSES) throw new Error(`${failed} failed, ${refused} refused`);
      },
      { timeoutMs: 180_000, everyMs: 500 },
    );
    const seconds = (performance.now() - startedAt) / 1_000;
    clearInterval(sampling);
    return {
      what: `${ADDRESSES / 1_000}k addresses fail once and are refused once, all of it recorded`,
      goal: 'none lost, ≤ 150 MB resident',
      figure: `0 lost, ${peakMib.toFixed(0)} MB (${seconds.toFixed(1)} s)`,
      isMet: peakMib <= 150,
    };
  } finally {
    await stack.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function sprayLines(): string {
  const lines: string[] = [];
  for (let n = 0; n < ADDRESSES; n++) {
    const ip = `45.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    const front = 'Nov 23 12:25:23 c0ffee123456 postfix/smtpd[8040]:';
    lines.push(
      `${front} warning: unknown[${ip}]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=user${n}@example.org`,
      `${front} NOQUEUE: reject: RCPT from unknown[${ip}]: 454 4.7.1 <x@example.net>: Relay access denied; from=<a@example.com> to=<x@example.net> proto=ESMTP helo=<y>`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function countRecorded(state: string): { failed: number; refused: number } {
  const db = openDatabase(state, { readOnly: true });
  const failed = db.get<{ n: number }>('SELECT count(DISTINCT ip) AS n FROM evidence')?.n ?? 0;
  const refused = db.get<{ n: number }>('SELECT count(DISTINCT ip) AS n FROM rejects')?.n ?? 0;
  db.close();
  return { failed, refused };
}
