import { describe, expect, it } from 'vitest';
import type { Ip, Network } from '../../src/core/network.ts';
import { openLedger } from '../../src/ledger/ledger.ts';

function ledger() {
  return openLedger(':memory:', () => 0);
}

describe('the evidence of a ban', () => {
  it('is what failed inside the network since the window began: offenders, accounts, services, last lines', () => {
    const { evidence } = ledger();
    const at = 1_000_000;
    for (let n = 0; n < 3; n++) {
      evidence.add(
        {
          at: at + n,
          ip: '193.56.28.3' as Ip,
          service: 'smtp',
          rule: '3',
          account: 'info@example.org',
          line: `a${n}`,
        },
        'netfilter',
      );
    }
    evidence.add(
      { at: at + 5, ip: '193.56.28.200' as Ip, service: 'imap', account: 'sales@example.org', line: 'b' },
      'netfilter',
    );
    evidence.add({ at: at + 6, ip: '193.56.29.1' as Ip, service: 'sogo', line: 'outside' }, 'netfilter');
    evidence.add({ at: at - 10, ip: '193.56.28.9' as Ip, service: 'sogo', line: 'too old' }, 'netfilter');
    expect(evidence.reasons('193.56.28.0/24' as Network, at)).toEqual({
      attempts: 4,
      services: ['smtp', 'imap'],
      rules: ['3'],
      offenders: [
        { ip: '193.56.28.3', attempts: 3 },
        { ip: '193.56.28.200', attempts: 1 },
      ],
      accounts: [
        { name: 'info@example.org', attempts: 3 },
        { name: 'sales@example.org', attempts: 1 },
      ],
      evidence: ['a0', 'a1', 'a2', 'b'],
    });
  });

  it('finds IPv6 offenders in a /64', () => {
    const { evidence } = ledger();
    evidence.add({ at: 1, ip: '2a01:4f8:c17:b8f::2' as Ip }, 'netfilter');
    evidence.add({ at: 1, ip: '2a01:4f8:c17:b8f:ffff::9' as Ip }, 'netfilter');
    evidence.add({ at: 1, ip: '2a01:4f8:c17:b90::2' as Ip }, 'netfilter');
    expect(evidence.reasons('2a01:4f8:c17:b8f::/64' as Network, 0).attempts).toBe(2);
  });

  it('counts every attempt of a flood, and keeps few rows of it', () => {
    const { evidence } = ledger();
    for (let n = 0; n < 5_000; n++) evidence.add({ at: n, ip: '198.51.100.7' as Ip, account: `user${n}` }, 'netfilter');
    const reasons = evidence.reasons('198.51.100.7/32' as Network, 0);
    expect(reasons.attempts).toBe(5_000);
    expect(reasons.accounts).toHaveLength(10);
  });

  it('stores text without what acts on a reader or a terminal', () => {
    const { evidence } = ledger();
    evidence.add(
      {
        at: 1,
        ip: '198.51.100.7' as Ip,
        account: 'a\u001b[31m\u202eb\u0000c\nd',
        line: 'x'.repeat(70_000),
      },
      'netfilter',
    );
    const { accounts, evidence: lines } = evidence.reasons('198.51.100.7/32' as Network, 0);
    expect(accounts[0]?.name).toBe('a [31m b c d');
    expect(lines[0]).toHaveLength(512);
  });
});
