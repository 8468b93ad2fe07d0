import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import type { Ip, Network } from '../../src/core/network.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { MIGRATIONS } from '../../src/ledger/migrations.ts';
import { tempDir } from '../support/temp-dir.ts';

it('a ledger of the first version keeps its bans, its evidence and its denylist', () => {
  const path = join(tempDir(), 'old.db');
  const old = new DatabaseSync(path);
  old.exec(`${MIGRATIONS[0]}; PRAGMA application_id = ${0x434f5742}; PRAGMA user_version = 1;
    INSERT INTO denylist (network, since) VALUES ('45.9.20.0/24', 5), ('45.9.22.5/32', 6);
    INSERT INTO bans (id, jail, network, state, started_at, repeats, logged, seen_at, sources)
      VALUES ('x', 'netfilter', '185.36.81.23/32', 'open', 1000, 2, 1, 1000, '["netfilter"]');
    INSERT INTO events (id, type, at, json) VALUES ('e', 'source.down', 1234, '{}');
    INSERT INTO outbox (consumer, seq) VALUES ('slack', 1);
    INSERT INTO evidence (at, ip, address, jail, service, account)
      VALUES (900, x'00000000000000000000ffffb9245117', '185.36.81.23', 'netfilter', 'smtp', 'info@example.org');`);
  old.close();

  const ledger = openLedger(path, () => 0);
  expect(ledger.denylist.add('45.9.20.0/24', 9)).toBe(false);
  expect(ledger.denylist.add('45.9.99.0/24', 9)).toBe(true);
  expect(ledger.bans.standing('netfilter', '185.36.81.23/32' as Network)).toMatchObject({ repeats: 2, tells: {} });
  ledger.evidence.add({ at: 950, ip: '185.36.81.23' as Ip, service: 'smtp', account: 'info@example.org' }, 'postfix');
  const reasons = ledger.evidence.reasons('185.36.81.23/32' as Network, 0, 'netfilter');
  expect(reasons.accounts).toEqual([{ name: 'info@example.org', attempts: reasons.attempts }]);
  // The bans that it has count, and what was owed is as old as it was.
  const offender = { network: '185.36.81.23/32', country: 'unknown' };
  expect(ledger.figures()).toContainEqual({ metric: 'fail2ban_top_offender_bans', labels: offender, value: 1 });
  expect(ledger.deliveries.oldestAt('slack')).toBe(1234);
  ledger.close();
});
