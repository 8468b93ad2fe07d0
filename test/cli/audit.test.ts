import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLedger } from '../../src/ledger/ledger.ts';
import { net } from '../support/recorder-harness.ts';
import { cowbell } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const AT = Date.parse('2026-11-23T12:00:00Z');

it('audit lists what was decided and done, and bans what of it concerns each', async () => {
  const folder = tempDir();
  const state = join(folder, 'cowbell.db');
  const file = join(folder, 'cowbell.yaml');
  writeFileSync(file, `state: ${state}\nnotifiers: [{type: console}]\n`);
  const ledger = openLedger(state, () => AT);
  expect((await cowbell(['audit', '-c', file])).out).toBe('nothing was decided or done\n');
  const network = net('198.51.100.7/32');
  const ban = ledger.bans.add({
    jail: 'netfilter',
    network,
    state: 'open',
    startedAt: AT,
    seenAt: AT,
    confirmed: true,
  });
  ledger.decisions.expect(ban, AT);
  ledger.decisions.move(ban.id, 'due', 'lifting', AT);
  const entry = { by: 'policy', network, jail: 'netfilter', banId: ban.id } as const;
  const reputation = { source: 'abuseipdb', score: 3, checked_at: '2026-11-23T12:00:00Z' };
  const details = { mode: 'enforce', reasons: ['first', 'second'], reputation };
  ledger.audit.add({ ...entry, at: AT, action: 'lift', details });
  ledger.audit.add({ ...entry, at: AT + 1_000, action: 'failed', details: { reason: 'it still stands' } });
  ledger.audit.add({
    at: AT,
    by: 'policy',
    action: 'would-lift',
    network: '203.0.113.7/32',
    details: { mode: 'dry_run' },
  });
  ledger.audit.add({
    ...{ at: AT, by: 'person', action: 'allow', network: '203.0.113.8/32', jail: 'netfilter' },
    details: { means: 'redis', until: '2026-11-23T13:00:00.000Z' },
  });
  ledger.close();

  expect((await cowbell(['audit', '-c', file])).out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['AT', 'BY', 'WHAT', 'NETWORK', 'JAIL', 'WHY'],
    ['2026-11-23T12:00:00Z', 'person', 'allow', '203.0.113.8/32', 'netfilter', 'until 2026-11-23T13:00:00Z'],
    ['2026-11-23T12:00:00Z', 'policy', 'would-lift (dry_run)', '203.0.113.7/32', '-', '-'],
    ['2026-11-23T12:00:01Z', 'policy', 'failed', '198.51.100.7/32', 'netfilter', 'it still stands'],
    ['2026-11-23T12:00:00Z', 'policy', 'lift', '198.51.100.7/32', 'netfilter', 'first; second'],
    [''],
  ]);
  const { out } = await cowbell(['audit', '--network', '198.51.100.7', '--json', '-c', file]);
  expect(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toMatchObject([
    { action: 'failed', at: '2026-11-23T12:00:01.000Z', ban_id: ban.id },
    { action: 'lift', details: { reasons: ['first', 'second'] } },
  ]);
  expect((await cowbell(['audit', '--network', 'nowhere', '-c', file])).err).toMatch(/"nowhere" is no address/);
  // What is told of the decision stands beside the ban.
  expect((await cowbell(['bans', '-c', file])).out).toMatch(
    /POLICY +WHY\n198\.51\.100\.7\/32 .* stands +lifting +it still stands; first; second\n$/,
  );
  expect(JSON.parse((await cowbell(['bans', '--json', '-c', file])).out)).toMatchObject({
    network: '198.51.100.7/32',
    reputation: { source: 'abuseipdb', score: 3 },
    decision: {
      state: 'lifting',
      by: 'policy',
      mode: 'enforce',
      reasons: ['first', 'second'],
      failure: 'it still stands',
    },
  });
});
