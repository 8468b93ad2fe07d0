import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Ip } from '../../src/core/network.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { net } from '../support/recorder-harness.ts';
import { startRedis } from '../support/redis-server.ts';
import { cowbell } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const DAY_MS = 86_400_000;
const POLICY = 'auto_unban: {mode: suggest, require: any, min_known_logins: 2}';

it('policy explains what would be decided on a ban that stands, and does nothing', async () => {
  const redis = await startRedis();
  try {
    const folder = tempDir();
    const file = join(folder, 'cowbell.yaml');
    const now = Date.now();
    const until = Math.ceil(now / 1_000) * 1_000 + 1_800_000;
    writeFileSync(
      file,
      `state: ${folder}/c.db\nnotifiers: [{type: console}]\ndocker: {socket: ${folder}/no.sock}\n` +
        `redis: {url: '${redis.url}', password: ${redis.password}}\n${POLICY}\n`,
    );
    const ledger = openLedger(join(folder, 'c.db'), () => now);
    ledger.transaction(() => {
      for (const network of ['45.8.0.7/32', '45.8.0.8/32', '45.9.0.0/24'])
        ledger.bans.add({
          jail: 'netfilter',
          network: net(network),
          state: 'open',
          startedAt: now,
          seenAt: now,
          until,
        });
      for (let index = 0; index < 3; index++) ledger.knownUsers.add('45.8.0.7' as Ip, 'anna@example.org', now - 60_000);
    });
    ledger.close();
    await redis.client.hset('F2B_ACTIVE_BANS', '45.8.0.7/32', until / 1_000, '45.9.0.0/24', until / 1_000);
    const ask = (...args: string[]) => cowbell(['policy', ...args, '-c', file]);

    expect((await ask('--explain', '45.8.0.7')).out).toBe(
      '45.8.0.7/32 in netfilter would be lifted; the mode is suggest\n  own users logged in 3 times in 14 days\n',
    );
    expect((await ask('--explain', '45.8.0.8')).out).toBe(
      '45.8.0.8/32 in netfilter stays; the mode is suggest\n  only a log line says that it is banned\n',
    );
    expect((await ask('--explain', '45.9.0.0/24')).out).toContain('at least 2 needed\n  no score: nobody is asked\n');
    expect((await ask('--explain', '45.8.0.9')).err).toContain('cowbell knows of no ban of 45.8.0.9/32 that stands');
    expect((await ask('--explain', '45.9.0.7')).err).toBe(
      '45.9.0.7/32 is not banned by itself: it is inside of 45.9.0.0/24 (netfilter), which is banned\n',
    );
    expect((await ask()).err).toContain('give --explain NETWORK or --backtest');
    // To try settings before they are put to work.
    writeFileSync(file, readFileSync(file, 'utf8').replace('mode: suggest, ', ''));
    expect((await ask('--explain', '45.8.0.7')).out).toContain('would be lifted; the mode is off\n');
    expect(await redis.client.keys('*')).toEqual(['F2B_ACTIVE_BANS']);
  } finally {
    await redis.close();
  }
});

it('policy tells which past bans it would have lifted, and which of them came again', async () => {
  const folder = tempDir();
  const file = join(folder, 'cowbell.yaml');
  const now = Date.now();
  writeFileSync(file, `state: ${folder}/c.db\nnotifiers: [{type: console}]\n${POLICY}\n`);
  const ledger = openLedger(join(folder, 'c.db'), () => now);
  const past = (network: string, daysAgo: number, confirmed = true) =>
    ledger.bans.add({
      jail: 'netfilter',
      network: net(network),
      state: 'ended',
      startedAt: now - daysAgo * DAY_MS,
      endedAt: now - daysAgo * DAY_MS + 1_000,
      seenAt: now,
      confirmed,
    });
  ledger.transaction(() => {
    past('45.8.0.7/32', 3);
    // It came again within the day, and would have stayed banned then.
    past('45.8.0.7/32', 2.5);
    past('45.8.0.8/32', 2);
    past('45.8.0.9/32', 1);
    past('45.8.0.8/32', 0.5, false);
    for (const last of [7, 8]) {
      for (let index = 0; index < 2; index++) ledger.knownUsers.add(`45.8.0.${last}` as Ip, 'anna', now - 5 * DAY_MS);
    }
  });
  ledger.close();
  const { code, out } = await cowbell(['policy', '--backtest', '-c', file]);
  expect(code).toBe(0);
  expect(out.split('\n')[0]).toBe('Of 5 bans 2 would have been lifted, 1 of them came again within 24 h.');
  expect(
    out
      .split('\n')
      .slice(2, 4)
      .map((line) => line.split(/ {2,}/).slice(1)),
  ).toEqual([
    ['45.8.0.7/32', 'yes', 'own users logged in 2 times in 14 days'],
    ['45.8.0.8/32', 'no', 'own users logged in 2 times in 14 days'],
  ]);
});
