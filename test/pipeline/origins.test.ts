import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Ip } from '../../src/core/network.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { Origin, OriginOf } from '../../src/core/origin.ts';
import { createRoute } from '../../src/pipeline/route.ts';
import { createJudge } from '../../src/reputation/judge.ts';
import type { PolicySettings } from '../../src/reputation/policy.ts';
import { SETTINGS } from '../reputation/auto-unban-rig.ts';
import { createHarness, T0 } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

const DUTCH: Origin = { country: 'NL', asn: 64_500, asName: 'Some Net' };

/** What is known may change while the test runs. */
function createOrigins(known: Record<string, Origin> = { '45.1.1.1': DUTCH, '45.2.2.2': { country: 'DE' } }) {
  const asked: string[] = [];
  const originOf: OriginOf = (ip) => {
    asked.push(ip);
    return known[ip] ?? {};
  };
  return { known, asked, originOf };
}

function start(origins: { originOf: OriginOf }, path = ':memory:') {
  const h = createHarness({ originOf: origins.originOf, path });
  const failed = (ip: string, seconds = -5): Observation => ({
    kind: 'auth-failed',
    at: T0 + seconds * 1_000,
    ip: ip as Ip,
    service: 'smtp',
    line: 'x',
  });
  return {
    ...h,
    /** A ban after so many failures of each of its offenders. */
    ban(network: string, failures: Record<string, number> = {}) {
      for (const [ip, count] of Object.entries(failures)) {
        h.log(...Array.from({ length: count }, (_, index) => failed(ip, -5 - index * 20)));
      }
      h.log(h.banned(network, 0));
      h.state({ ...h.banned(network, 0), until: T0 + 1_800_000 } as Observation);
      return h.bans().at(-1);
    },
  };
}

describe('where offenders are from', () => {
  it('is told with the ban, of each of them', () => {
    const { ban } = start(createOrigins());
    expect(ban('45.1.1.1/32', { '45.1.1.1': 3 })?.offenders).toEqual([
      { ip: '45.1.1.1', attempts: 3, country: 'NL', asn: 64_500, as_name: 'Some Net' },
    ]);
    const h = start(createOrigins({ '45.1.1.1': DUTCH, '45.1.1.9': { country: 'DE' } }));
    expect(h.ban('45.1.1.0/24', { '45.1.1.9': 3, '45.1.1.1': 2, '45.1.1.3': 1 })?.offenders).toEqual([
      { ip: '45.1.1.9', attempts: 3, country: 'DE' },
      { ip: '45.1.1.1', attempts: 2, country: 'NL', asn: 64_500, as_name: 'Some Net' },
      { ip: '45.1.1.3', attempts: 1 },
    ]);
  });

  it('is told of a host that nobody has seen fail, and only if it is known', () => {
    const { ban } = start(createOrigins());
    expect(ban('45.2.2.2/32')?.offenders).toEqual([{ ip: '45.2.2.2', attempts: 0, country: 'DE' }]);
    expect(ban('45.3.3.3/32')?.offenders).toEqual([]);
    expect(ban('45.1.1.0/24')?.offenders).toEqual([]);
  });

  it('is kept with the ban, whatever is known at its end and after a restart', () => {
    const path = join(tempDir(), 'cowbell.db');
    const origins = createOrigins();
    const first = start(origins, path);
    first.ban('45.1.1.1/32', { '45.1.1.1': 3 });
    first.ban('45.2.2.2/32', { '45.2.2.2': 1 });
    delete origins.known['45.1.1.1'];
    origins.known['45.2.2.2'] = { country: 'FR' };
    first.ledger.close();
    const second = start(origins, path);
    second.at(60);
    second.log(second.unbanned('45.1.1.1/32', 50), second.unbanned('45.2.2.2/32', 50));
    second.snapshot({});
    second.at(120);
    second.tick();
    const ended = second.bans().map(({ network, offenders }) => [network, offenders[0]?.country, offenders[0]?.asn]);
    expect(ended).toEqual([
      ['45.1.1.1/32', 'NL', 64_500],
      ['45.2.2.2/32', 'FR', undefined],
    ]);
  });

  it('is added to bans that were recorded before it was known', () => {
    const origins = createOrigins({});
    const h = start(origins);
    expect(h.ban('45.1.1.1/32', { '45.1.1.1': 3 })?.offenders).toEqual([{ ip: '45.1.1.1', attempts: 3 }]);
    origins.known['45.1.1.1'] = DUTCH;
    h.at(60);
    h.log(h.unbanned('45.1.1.1/32', 50));
    h.snapshot({});
    h.at(120);
    h.tick();
    expect(h.bans().at(-1)).toMatchObject({ ended_at: expect.any(String), offenders: [{ country: 'NL' }] });
  });

  it('decides who is told, and is counted by the digest', () => {
    const h = start(createOrigins());
    const wants = (filter: Record<string, string[]>) =>
      createRoute({
        name: 'chat',
        events: ['ban.started'],
        filter: {
          ...{ jails: [], services: [], networks: [], except_networks: [], countries: [], except_countries: [] },
          ...{ known_users: 'any', min_bans: 0 },
          ...filter,
        },
      });
    h.ban('45.1.1.1/32', { '45.1.1.1': 3 });
    h.ban('45.2.2.2/32', { '45.2.2.2': 3 });
    h.ban('45.3.3.3/32', { '45.3.3.3': 3 });
    const told = (filter: Record<string, string[]>) =>
      h.events.filter(wants(filter)).map((event) => ('ban' in event ? event.ban.network : ''));
    expect(told({ countries: ['NL'] })).toEqual(['45.1.1.1/32', '45.3.3.3/32']);
    expect(told({ except_countries: ['NL'] })).toEqual(['45.2.2.2/32', '45.3.3.3/32']);
    expect(h.ledger.report(T0 - 1_000, T0 + 1_000).countries).toEqual([
      { name: 'DE', count: 1 },
      { name: 'NL', count: 1 },
    ]);
  });
});

describe('the policy', () => {
  /** What it makes of a ban in the Netherlands, of which AbuseIPDB says that it is in Russia. */
  async function judge(settings: Partial<PolicySettings>, origins = createOrigins()) {
    const h = start(origins);
    const id = h.ban('45.1.1.1/32', { '45.1.1.1': 1 })?.id ?? '';
    const asked: string[] = [];
    const made = createJudge({
      ledger: h.ledger,
      clock: { ...systemClock, now: () => T0 + 1_000 },
      settings: { ...SETTINGS, ...settings },
      historyDays: 7,
      async ask(subject) {
        asked.push(subject);
        return { opinions: [{ source: 'abuseipdb', score: 0, country: 'RU', checkedAt: T0 }], problems: [] };
      },
    });
    const verdict = (await made.prepare(id, { until: undefined }, false, AbortSignal.timeout(1_000)))?.decide();
    return { ...verdict, asked };
  }

  it('takes the country from this machine, and asks nobody where it is another', async () => {
    expect(await judge({ countries: ['NL'] })).toMatchObject({ action: 'lift', asked: ['45.1.1.1'] });
    expect(await judge({ countries: ['RU'] })).toMatchObject({
      action: 'keep',
      reasons: ['it is in another country'],
      asked: [],
    });
  });

  it('takes it from AbuseIPDB where this machine does not know', async () => {
    const unknown = createOrigins({});
    expect(await judge({ countries: ['RU'] }, unknown)).toMatchObject({ action: 'lift', asked: ['45.1.1.1'] });
    expect(await judge({ countries: ['NL'] }, unknown)).toMatchObject({ reasons: ['it is in another country'] });
  });
});
