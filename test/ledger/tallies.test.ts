import { describe, expect, it } from 'vitest';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import { METRICS } from '../../src/core/metrics.ts';
import type { Ip } from '../../src/core/network.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { net, T0 } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

const host = 'mail.example.org';

function banOf(more: Partial<Ban> = {}): Ban {
  return {
    ...{ id: 'b', network: '45.8.0.7/32', jail: 'netfilter', host, started_at: new Date(T0).toISOString() },
    ...{ repeats: 0, attempts: 1, confirmed: true, services: ['smtp'], rules: [], accounts: [], evidence: [] },
    ...{ offenders: [], known_users: [], sources: [] },
    ...more,
  };
}

let last = 0;
function publish(ledger: Ledger, event: Omit<BanEvent, 'id' | 'at' | 'host'> & Record<string, unknown>): void {
  const envelope = { id: `e${last++}`, at: new Date(T0).toISOString(), host };
  ledger.transaction(() => ledger.deliveries.publish({ ...envelope, ...event } as BanEvent, [{ name: 'chat' }]));
}

/** Values by metric and labels, `fail2ban_bans_total netfilter smtp DE`. */
function totals(ledger: Ledger): Record<string, number> {
  return Object.fromEntries(
    ledger.tallies.all().map(({ metric, labels, value }) => [[metric, ...Object.values(labels)].join(' '), value]),
  );
}

describe('the totals that are kept', () => {
  it('count events and what they tell of', () => {
    const ledger = openLedger(':memory:', () => T0);
    const offenders = [{ ip: '45.8.0.7', attempts: 3, country: 'DE' }];
    const known_users = [{ name: 'anna', last_seen_at: new Date(T0).toISOString(), logins: 2 }];
    publish(ledger, { type: 'ban.started', ban: banOf({ services: ['imap', 'smtp'], offenders }) });
    publish(ledger, { type: 'ban.started', ban: banOf({ services: ['imap'], offenders, known_users, late: true }) });
    publish(ledger, { type: 'ban.started', ban: banOf({ jail: 'sshd', services: [] }) });
    publish(ledger, { type: 'ban.extended', ban: banOf() });
    publish(ledger, { type: 'ban.ended', ban: banOf({ end_reason: 'lifted-by-cowbell' }) });
    publish(ledger, { type: 'bans.cleared', cleared: { jail: 'netfilter', count: 12, networks: [] } });
    // Somebody tries the way: nobody was banned.
    publish(ledger, { type: 'ban.started', ban: banOf({ jail: 'ring' }), test: true });
    expect(totals(ledger)).toEqual({
      'cowbell_events_total ban.ended': 1,
      'cowbell_events_total ban.extended': 1,
      'cowbell_events_total ban.started': 4,
      'cowbell_events_total bans.cleared': 1,
      'fail2ban_bans_total netfilter imap DE': 2,
      'fail2ban_bans_total sshd unknown unknown': 1,
      'fail2ban_known_user_bans_total netfilter': 1,
      'fail2ban_unbans_total netfilter cleared': 12,
      'fail2ban_unbans_total netfilter lifted-by-cowbell': 1,
    });
  });

  it('count an attempt to log in once, whoever tells of it and however fast it is made', () => {
    const ledger = openLedger(':memory:', () => T0);
    const failure = (n: number, source: string) =>
      ledger.evidence.add({ at: T0 + n, ip: '45.8.0.7' as Ip, service: 'smtp', account: `a${n}` }, source);
    for (let n = 0; n < 250; n++) ledger.transaction(() => failure(n, 'netfilter'));
    for (let n = 0; n < 50; n++) ledger.transaction(() => failure(n, 'postfix'));
    ledger.transaction(() => ledger.evidence.add({ at: T0, ip: '45.9.0.7' as Ip }, 'fail2ban'));
    expect(totals(ledger)).toEqual({
      'fail2ban_auth_failures_total smtp': 250,
      'fail2ban_auth_failures_total unknown': 1,
    });
    expect(ledger.evidence.reasons(net('45.8.0.7/32'), 0, 'netfilter').attempts).toBe(250);
  });

  it('count what is refused as the windows of rejects do', () => {
    const ledger = openLedger(':memory:', () => T0);
    const rejected = { kind: 'rejected', at: T0, service: 'smtp', reason: 'Relay access denied' } as const;
    ledger.transaction(() => {
      for (let n = 0; n < 30; n++)
        ledger.rejects.add({ ...rejected, ip: `45.8.0.${n % 3}` as Ip }, n < 20 ? T0 : T0 + 1);
    });
    expect(totals(ledger)).toEqual({ 'mail_rejects_total smtp Relay access denied': 30 });
    expect(ledger.rejects.totals(T0).total + ledger.rejects.totals(T0 + 1).total).toBe(30);
  });

  it('count what became of messages', () => {
    const ledger = openLedger(':memory:', () => T0);
    const { deliveries } = ledger;
    for (let n = 0; n < 3; n++) publish(ledger, { type: 'ban.started', ban: banOf() });
    const first = deliveries.claim('chat', 2)?.id ?? '';
    deliveries.failed('chat', first, 'HTTP 500');
    deliveries.parkLane('chat', first, 'HTTP 404');
    expect(deliveries.list('claimed', 1)).toMatchObject([{ attempts: 2, error: 'HTTP 404' }]);
    deliveries.delivered('chat', first);
    const second = deliveries.claim('chat', 2)?.id ?? '';
    deliveries.park('chat', second, 'HTTP 400');
    expect(totals(ledger)).toMatchObject({
      'cowbell_deliveries_total chat delivered': 1,
      'cowbell_deliveries_total chat parked': 1,
      'cowbell_deliveries_total chat refused': 1,
      'cowbell_deliveries_total chat retried': 1,
      'cowbell_delivered_events_total chat': 2,
    });
  });

  it('count decisions of the policy, not of persons', () => {
    const ledger = openLedger(':memory:', () => T0);
    const { decisions } = ledger;
    const ban = (id: string) => ({ id, jail: 'netfilter', network: net('45.8.0.7/32') });
    ledger.transaction(() => {
      for (const id of ['a', 'b', 'c', 'd']) decisions.expect(ban(id), T0);
      decisions.move('a', 'due', 'kept', T0);
      decisions.move('b', 'due', 'lifting', T0);
      decisions.move('b', 'lifting', 'lifted', T0);
      decisions.move('b', 'lifting', 'failed', T0);
      decisions.move('c', 'due', 'over', T0);
      decisions.liftByHand(ban('d'), T0);
      decisions.move('d', 'lifting', 'lifted', T0);
    });
    expect(totals(ledger)).toEqual({
      'cowbell_unban_decisions_total keep': 1,
      'cowbell_unban_decisions_total lift': 1,
      'cowbell_unban_decisions_total lifted': 1,
    });
  });

  it('count calls, and know what is left of the day', () => {
    let now = T0;
    const ledger = openLedger(':memory:', () => now);
    const budget = ledger.budgets.of('abuseipdb');
    for (let n = 0; n < 5; n++) budget.take('check', 3);
    expect(totals(ledger)).toEqual({ 'cowbell_reputation_calls_total abuseipdb check': 3 });
    expect(ledger.budgets.left()).toEqual([{ source: 'abuseipdb', call: 'check', left: 0 }]);
    now += 86_400_000;
    expect(ledger.budgets.left()).toEqual([{ source: 'abuseipdb', call: 'check', left: 3 }]);
    budget.spend('check', now + 1_000);
    expect(ledger.budgets.left()).toMatchObject([{ left: 0 }]);
  });
});

describe('a total', () => {
  it('is rolled back with what it counts', () => {
    const ledger = openLedger(':memory:', () => T0);
    const event = { id: 'x', at: new Date(T0).toISOString(), host, type: 'ban.started', ban: banOf() } as const;
    const fail = () => {
      ledger.deliveries.publish(event, []);
      throw new Error('the disk is full');
    };
    expect(() => ledger.transaction(fail)).toThrow('the disk is full');
    ledger.transaction(() => ledger.setMeta('a', 'b'));
    expect(totals(ledger)).toEqual({});
    ledger.transaction(() => ledger.deliveries.publish(event, []));
    expect(totals(ledger)['cowbell_events_total ban.started']).toBe(1);
  });

  it('goes on where it was after a restart', () => {
    const path = `${tempDir()}/cowbell.db`;
    for (let run = 1; run <= 3; run++) {
      const ledger = openLedger(path, () => T0);
      publish(ledger, { type: 'ban.started', ban: banOf() });
      expect(totals(ledger)['fail2ban_bans_total netfilter smtp unknown']).toBe(run);
      ledger.close();
    }
  });
});

describe('attackers', () => {
  const COUNTRIES = Array.from({ length: 250 }, (_, n) => String.fromCharCode(65 + Math.floor(n / 26), 65 + (n % 26)));
  const series = (ledger: Ledger, metric: string) => ledger.tallies.all().filter((each) => each.metric === metric);
  const sum = (figures: readonly { value: number }[]) => figures.reduce((total, { value }) => total + value, 0);

  it('from everywhere, and with jails of their own making, have few series, and all are counted', () => {
    const ledger = openLedger(':memory:', () => T0);
    const { most } = METRICS.fail2ban_bans_total;
    ledger.transaction(() => {
      const count = (jail: string, service: string, country: string) =>
        ledger.tallies.add('fail2ban_bans_total', { jail, service, country });
      for (const country of COUNTRIES) for (const service of ['smtp', 'imap']) count('netfilter', service, country);
      for (let n = 0; n < 2_000; n++) count(`forged-${n}`, 'smtp', COUNTRIES[n % 250] ?? '');
      for (const country of COUNTRIES) count('netfilter', 'smtp', country);
    });
    const bans = series(ledger, 'fail2ban_bans_total');
    expect(bans.length).toBeLessThanOrEqual(most);
    expect(sum(bans)).toBe(500 + 2_000 + 250);
    // The country gives way first: what is known of the jail and the service stays.
    const ofNetfilter = bans.filter(({ labels }) => labels.jail === 'netfilter');
    expect(sum(ofNetfilter)).toBe(750);
    expect(ofNetfilter).toContainEqual(
      expect.objectContaining({ labels: { jail: 'netfilter', service: 'imap', country: 'other' } }),
    );
    expect(bans).toContainEqual(
      expect.objectContaining({ labels: { jail: 'other', service: 'other', country: 'other' } }),
    );
  });

  it('cannot put more into a label than it holds', () => {
    const ledger = openLedger(':memory:', () => T0);
    publish(ledger, { type: 'ban.started', ban: banOf({ jail: `a\n"b\\${'x'.repeat(500)}` }) });
    const [{ labels } = { labels: {} as Record<string, string> }] = series(ledger, 'fail2ban_bans_total');
    expect(labels.jail?.length).toBe(80);
    expect(labels.jail).toMatch(/^a "b\\x+…$/);
  });

  it('with reasons of their own making are counted under other', () => {
    const ledger = openLedger(':memory:', () => T0);
    ledger.transaction(() => {
      for (let n = 0; n < 1_000; n++)
        ledger.tallies.add('mail_rejects_total', { service: 'smtp', reason: `reason ${n}` });
    });
    const rejects = series(ledger, 'mail_rejects_total');
    expect(rejects.length).toBeLessThanOrEqual(METRICS.mail_rejects_total.most);
    expect(sum(rejects)).toBe(1_000);
  });
});
