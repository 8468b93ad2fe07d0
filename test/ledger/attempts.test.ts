import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ip, Network } from '../../src/core/network.ts';
import type { Failure } from '../../src/ledger/evidence.ts';
import { openLedger } from '../../src/ledger/ledger.ts';

const IP = '185.36.81.23' as Ip;
const NET = '185.36.81.23/32' as Network;
const T = 1_795_430_000_000;

/** What a source knows of an attempt; undefined where it does not know what the others do. */
type Told = { [Key in keyof Failure]?: Failure[Key] | undefined };

/** What was counted of failures, each told by a source: `[source, seconds, what is known]`. */
function reasonsOf(told: [source: string, seconds: number, more?: Told][], jail = 'netfilter') {
  const { evidence } = openLedger(':memory:', () => T);
  for (const [source, seconds, more] of told) {
    const account = more?.reason === undefined ? { account: 'info@example.org' } : {};
    const known = { service: 'smtp', ...account, ...more };
    const failure = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
    evidence.add({ ...failure, at: T + seconds * 1_000, ip: IP }, source);
  }
  return evidence.reasons(NET, T - 600_000, jail);
}

const count = (...told: Parameters<typeof reasonsOf>[0]) => reasonsOf(told).attempts;

describe('an attempt that several sources tell of', () => {
  it('counts once, in whatever order and however far apart their clocks put it', () => {
    expect(count(['postfix', 0], ['f2b-channel', 0.01], ['netfilter', 0.02, { jail: 'netfilter' }])).toBe(1);
    expect(
      count(['netfilter', 0.5, { jail: 'netfilter' }], ['postfix', 0], ['dovecot', 0, { service: 'dovecot' }]),
    ).toBe(1);
    expect(count(['netfilter', 0], ['postfix', 12])).toBe(1);
    expect(count(['netfilter', 0], ['postfix', 60])).toBe(2);
  });

  it('counts as often as the source that told of most', () => {
    const each = (source: string, times: number): [string, number][] =>
      Array.from({ length: times }, (_, index) => [source, index * 0.1]);
    expect(count(...each('postfix', 10), ...each('netfilter', 10), ...each('f2b-channel', 7))).toBe(10);
    expect(count(...each('f2b-channel', 300), ...each('postfix', 290))).toBe(300);
  });

  it('is completed by what each knows', () => {
    const reasons = reasonsOf([
      ['dovecot', 0, { service: 'dovecot', line: 'dovecot: auth: …' }],
      ['netfilter', 0.1, { jail: 'netfilter', rule: '3', line: 'matched …' }],
      ['postfix', 0.2, { service: 'submission' }],
    ]);
    expect(reasons).toMatchObject({
      attempts: 1,
      services: ['submission'],
      rules: ['3'],
      evidence: ['dovecot: auth: …'],
    });
  });

  it('is the same although syslog-ng turned the slashes of the name', () => {
    expect(count(['postfix', 0, { account: 'a/b\u0001c' }], ['f2b-channel', 0, { account: 'a_b_c' }])).toBe(1);
  });

  it('without an account is known by its reason', () => {
    const reason = 'Protocol error';
    expect(count(['netfilter', 0, { reason }], ['netfilter-log', 0.5, { reason }])).toBe(1);
    expect(count(['netfilter', 0, { reason }], ['netfilter-log', 0.5, { reason: 'non-SMTP command' }])).toBe(2);
  });

  it('with neither is taken for one on the same service', () => {
    const found: Told = { jail: 'postfix-sasl', account: undefined };
    expect(
      reasonsOf(
        [
          ['fail2ban', 0, found],
          ['postfix', 0.1],
        ],
        'postfix-sasl',
      ).attempts,
    ).toBe(1);
    expect(
      reasonsOf(
        [
          ['fail2ban', 0, { ...found, service: undefined }],
          ['postfix', 0.1],
        ],
        'postfix-sasl',
      ).attempts,
    ).toBe(2);
  });
});

describe('different attempts', () => {
  it('stay apart: other accounts, other services, other jails', () => {
    expect(count(['postfix', 0], ['netfilter', 0, { account: 'sales@example.org' }])).toBe(2);
    expect(count(['postfix', 0], ['dovecot', 0, { service: 'imap' }])).toBe(2);
    expect(
      reasonsOf(
        [
          ['fail2ban', 0, { jail: 'a' }],
          ['other', 0, { jail: 'b' }],
        ],
        'a',
      ).attempts,
    ).toBe(1);
  });
});

describe('a line about a whole connection', () => {
  it('adds only the attempts that no other line told of', () => {
    const imap = { service: 'imap' } as const;
    const one = (at: number): [string, number, Told] => ['dovecot', at, { ...imap, session: 's' }];
    expect(count(one(0), one(4), one(9), ['dovecot', 30, { ...imap, session: 's', attempts: 3 }])).toBe(3);
    expect(count(one(0), ['dovecot', 30, { ...imap, attempts: 3 }])).toBe(3);
    expect(count(['dovecot', 30, { ...imap, attempts: 3 }])).toBe(3);
    expect(count(['dovecot', 30, { ...imap, attempts: 1_000_000 }])).toBe(50);
  });

  it('and the answers of several backends to one attempt are one', () => {
    const answer = (at: number): [string, number, Told] => ['dovecot', at, { service: 'imap', session: 's' }];
    expect(count(answer(0), answer(0.01), answer(3), answer(3.02))).toBe(2);
  });
});

it('property: sources that see all of a series of attempts, each a little off, make it no longer', () => {
  const attempt = fc.record({ account: fc.constantFrom('a', 'b', 'c'), gap: fc.integer({ min: 0, max: 9_000 }) });
  fc.assert(
    fc.property(
      fc.array(attempt, { maxLength: 80 }),
      fc.array(fc.integer({ min: -400, max: 400 }), { minLength: 240, maxLength: 240 }),
      (attempts, offsets) => {
        const { evidence } = openLedger(':memory:', () => T);
        let at = T;
        const lines = attempts.flatMap(({ account, gap }, index) => {
          at += gap;
          return ['postfix', 'netfilter', 'f2b-channel'].map((source, which) => ({
            source,
            failure: { at: at + (offsets[index * 3 + which] ?? 0), ip: IP, service: 'smtp' as const, account },
          }));
        });
        for (const { source, failure } of lines.sort((a, b) => a.failure.at - b.failure.at))
          evidence.add(failure, source);
        expect(evidence.reasons(NET, 0, 'netfilter').attempts).toBe(attempts.length);
      },
    ),
    { numRuns: 60 },
  );
});
