import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import type { BanEvent } from '../../src/core/event.ts';
import type { Ip } from '../../src/core/network.ts';
import type { Notifier } from '../../src/core/notifier.ts';
import type { AbuseReporter } from '../../src/core/reputation.ts';
import { type ClosableHttpClient, createHttpClient } from '../../src/http/client.ts';
import { abuseipdbSource } from '../../src/reputation/abuseipdb.ts';
import { createReporting, type ReportingOptions } from '../../src/reputation/reporting.ts';
import { ABUSEIPDB_KEY, type AbuseipdbServer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { deliveryOf } from '../support/delivery.ts';
import { createHarness, net, T0 } from '../support/recorder-harness.ts';

const never = new AbortController().signal;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const IP = '45.142.120.9';

let server: AbuseipdbServer;
let http: ClosableHttpClient;
let now: number;
let h: ReturnType<typeof createHarness>;
beforeEach(async () => {
  now = T0;
  server = await startAbuseipdb({ now: () => now });
  http = createHttpClient({ userAgent: 'cowbell/test' });
  h = createHarness({ withLog: false, clock: { now: () => now } });
});
afterEach(async () => {
  h.ledger.close();
  await http.close();
  await server.close();
});

const clock = { now: () => now, sleep: async () => {} };

function reporterOf(options: object = {}): AbuseReporter {
  const given = { key: ABUSEIPDB_KEY, url: server.url, report: {}, ...options };
  const tools = { http, clock, budget: h.ledger.budgets.of('abuseipdb') };
  const reporter = abuseipdbSource.createReporter?.(abuseipdbSource.options.parse(given), tools);
  return reporter ?? expect.unreachable('AbuseIPDB can be told');
}

const reportingOf = (options: Partial<ReportingOptions> = {}): Notifier =>
  createReporting({
    ledger: h.ledger,
    clock,
    reporter: reporterOf(),
    spared: [],
    knownUsersMs: 30 * DAY_MS,
    ...options,
  });

interface Failed {
  services?: string[];
  account?: string;
  isConfirmed?: boolean;
  attempts?: number;
}

/** Bans a network after failures of each offender; returns what the lane is handed. */
function ban(
  network: string,
  offenders: string[] = [network.split('/')[0] ?? ''],
  { services = ['smtp'], account = 'anna@example.org', isConfirmed = true, attempts = 3 }: Failed = {},
): BanEvent {
  for (const ip of offenders)
    for (const service of services)
      for (let index = 0; index < attempts; index++)
        h.fail2banLog({
          kind: 'auth-failed',
          at: now - 1_000 + index,
          ip,
          service,
          account,
          line: `${account} x`,
        } as never);
  const observation = { kind: 'banned', jail: 'netfilter', network: net(network), at: now } as const;
  if (isConfirmed) h.state({ ...observation, until: now + 30 * MINUTE_MS });
  else h.fail2banLog({ ...observation, jail: 'sshd' });
  return h.events.filter(({ type }) => type === 'ban.started').at(-1) ?? expect.unreachable('no ban was told');
}

const report = (notifier: Notifier, ...events: BanEvent[]) => notifier.notify(deliveryOf('d', events), never);
const audit = () =>
  h.ledger.audit
    .list({ limit: 1_000 })
    .map(({ action, network, details }) => `${action} ${network}: ${(details as { reason: string }).reason}`)
    .reverse();

describe('a report', () => {
  it('has the address, when it was banned, what kind of attack it was, and how many', async () => {
    await report(reportingOf(), ban(`${IP}/32`, [IP], { services: ['smtp', 'imap'] }));
    expect(server.reports).toEqual([
      {
        ip: IP,
        categories: '18',
        comment: '6 failed attempts at a mail server (imap, smtp), which banned it',
        timestamp: new Date(T0).toISOString(),
      },
    ]);
    expect(audit()).toEqual([`report ${IP}/32: ${IP}: abuseipdb was told of 6 failed attempts`]);
    expect(h.ledger.audit.list({ limit: 1 })[0]).toMatchObject({
      by: 'reports',
      jail: 'netfilter',
      details: { to: 'abuseipdb', ip: IP },
    });
  });

  it.each([
    [['postscreen'], '11'],
    [['sogo'], '18,21'],
    [['sshd'], '18,22'],
    [['imap', 'ui', 'postscreen'], '11,18,21'],
    [['something-else'], '18'],
    [[], '18'],
  ])('of %j is of the categories %s', async (services, categories) => {
    await reporterOf().report({ ip: IP as Ip, at: T0, attempts: 1, services }, never);
    expect(server.reports.map((each) => each.categories)).toEqual([categories]);
  });

  it('has nobody’s address or account in it, whatever was tried', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.emailAddress(), async (text, mail) => {
        server.reports.length = 0;
        now += DAY_MS;
        await reporterOf().report({ ip: IP as Ip, at: T0, attempts: 7, services: [text, mail, 'smtp'] }, never);
        expect(server.reports[0]?.comment).toMatch(
          /^7 failed attempts at a mail server \([a-z0-9, -]+\), which banned it$/,
        );
        expect(server.reports[0]?.comment.length).toBeLessThanOrEqual(1_024);
      }),
      { numRuns: 50 },
    );
    server.reports.length = 0;
    await report(reportingOf(), ban('45.142.120.10/32', ['45.142.120.10'], { account: 'ceo@example.org' }));
    expect(JSON.stringify(server.reports)).toContain('45.142.120.10');
    expect(JSON.stringify(server.reports)).not.toMatch(/@|ceo|example/);
  });

  it('is made of each offender, never of the network', async () => {
    await report(reportingOf(), ban('45.8.1.0/24', ['45.8.1.7', '45.8.1.9']));
    await report(reportingOf(), ban('2a01:4f8:1:2::/64', ['2a01:4f8:1:2::7']));
    expect(server.reports.map(({ ip }) => ip).sort()).toEqual(['2a01:4f8:1:2::7', '45.8.1.7', '45.8.1.9']);
  });
});

describe('nothing is reported', () => {
  const expectNothing = (...reasons: string[]) => {
    expect(server.requests).toEqual([]);
    expect(audit()).toEqual(reasons);
  };

  it('that only a log line says', async () => {
    const event = ban(`${IP}/32`, [IP], { isConfirmed: false });
    await report(reportingOf(), event);
    expectNothing(`no-report ${IP}/32: only a log line says that there is a ban`);
  });

  it('of an address that stands in what the client wrote', async () => {
    h = createHarness({ clock: { now: () => now } });
    h.log(
      { kind: 'auth-failed', at: now - 1, ip: IP, service: 'smtp' } as never,
      {
        ...h.banned(`${IP}/32`, 0, { claimed: true }),
        at: now,
      } as never,
    );
    h.state({ kind: 'banned', jail: 'netfilter', network: net(`${IP}/32`), at: now, until: now + HOUR_MS });
    const event = h.events.find(({ type }) => type === 'ban.started') ?? expect.unreachable('no ban was told');
    await report(reportingOf(), event);
    expectNothing(`no-report ${IP}/32: the address stands in what the client wrote`);
  });

  it('of a network that own users log in from', async () => {
    h.ledger.transaction(() => h.ledger.knownUsers.add('45.8.1.20' as Ip, 'anna@example.org', now - 29 * DAY_MS));
    await report(reportingOf(), ban('45.8.1.0/24', ['45.8.1.7']));
    expectNothing('no-report 45.8.1.0/24: own users log in from this network');
    await report(reportingOf(), ban('45.8.2.0/24', ['45.8.2.7']));
    expect(server.reports).toHaveLength(1);
  });

  it.each(['10.1.2.3', '192.168.4.4', '100.64.1.1', 'fd00::7', '2001:db8::7'])(
    'of the private address %s',
    async (ip) => {
      await report(reportingOf(), ban(`${ip}/${ip.includes(':') ? 128 : 32}`, [ip]));
      expect(server.requests).toEqual([]);
      expect(audit()).toEqual([expect.stringContaining(`${ip} is private`)]);
    },
  );

  it('of what is on the server’s allowlist, for good or for a time, or that the policy is to spare', async () => {
    h.ledger.allowlist.add('45.8.1.0/29', now);
    h.ledger.allowlist.add('mail.partner.example', now);
    h.ledger.allowances.add({ jail: 'netfilter', network: net('45.8.1.8/32'), until: now + HOUR_MS, by: 'person' });
    const offenders = ['45.8.1.7', '45.8.1.8', '45.8.1.9', '45.8.1.10'];
    await report(reportingOf({ spared: [net('45.8.1.9/32')] }), ban('45.8.1.0/24', offenders));
    expect(server.reports.map(({ ip }) => ip)).toEqual(['45.8.1.10']);
    expect(audit().sort()).toEqual([
      "no-report 45.8.1.0/24: 45.8.1.7 is on the server's allowlist",
      "no-report 45.8.1.0/24: 45.8.1.8 is on the server's allowlist",
      'no-report 45.8.1.0/24: 45.8.1.9 lies in a network of `never` or `always`',
      'report 45.8.1.0/24: 45.8.1.10: abuseipdb was told of 3 failed attempts',
    ]);
  });

  it('of a ban that was lifted, is long over, or whose reasons are not known', async () => {
    const lifted = ban('45.8.1.1/32');
    now += MINUTE_MS;
    h.state({ kind: 'unbanned', jail: 'netfilter', network: net('45.8.1.1/32'), at: now });
    now += MINUTE_MS;
    h.tick();
    await report(reportingOf(), lifted);
    await report(reportingOf(), ban('45.8.1.2/32', []));
    const old = ban('45.8.1.3/32');
    now += DAY_MS;
    await report(reportingOf(), old);
    expectNothing(
      'no-report 45.8.1.1/32: the ban was lifted',
      'no-report 45.8.1.2/32: what the offenders did is not known',
      'no-report 45.8.1.3/32: it is too long ago',
    );
  });

  it('of what is no ban, a test, or known no longer', async () => {
    const event = ban(`${IP}/32`);
    const gone = { ...event, ban: { ...('ban' in event && event.ban), id: 'gone' } } as BanEvent;
    await report(reportingOf(), { ...event, test: true }, { ...event, type: 'ban.ended' } as BanEvent, gone);
    expectNothing();
  });
});

describe('an address', () => {
  it('is reported once in 15 minutes, whatever bans it and however often cowbell starts', async () => {
    await report(reportingOf(), ban(`${IP}/32`));
    now += 14 * MINUTE_MS;
    await report(reportingOf(), ban('45.142.120.0/24', [IP, '45.142.120.10']));
    expect(server.requests).toEqual([`report ${IP}`, 'report 45.142.120.10']);
    expect(audit()).toContain(`no-report 45.142.120.0/24: ${IP} was reported 14 min ago`);
    now += MINUTE_MS;
    await report(reportingOf(), ban('45.142.0.0/16', [IP]));
    expect(server.requests.slice(2)).toEqual([`report ${IP}`]);
  });

  it('that AbuseIPDB has a report of already is done with, and its budget is not', async () => {
    const reporter = reporterOf();
    expect(await reporter.report({ ip: IP as Ip, at: now, attempts: 1, services: [] }, never)).toEqual({
      kind: 'taken',
    });
    await report(reportingOf(), ban(`${IP}/32`));
    expect(audit()).toEqual([`report ${IP}/32: ${IP}: abuseipdb has a report of ours already`]);
    await report(reportingOf(), ban('45.142.120.10/32'));
    expect(server.reports.map(({ ip }) => ip)).toEqual([IP, '45.142.120.10']);
  });

  it('is not reported twice where a delivery is repeated, nor what was decided told twice', async () => {
    h.ledger.allowlist.add('45.8.1.9', now);
    const event = ban('45.8.1.0/24', ['45.8.1.7', '45.8.1.8', '45.8.1.9']);
    let calls = 0;
    const { name, report: tell } = reporterOf();
    const flaky: AbuseReporter = {
      name,
      report: (each, signal) => (++calls === 2 ? Promise.reject(new TransientError('cut')) : tell(each, signal)),
    };
    await expect(report(reportingOf({ reporter: flaky }), event)).rejects.toThrow('cut');
    now += 20 * MINUTE_MS;
    await report(reportingOf({ reporter: flaky }), event);
    await report(reportingOf({ reporter: flaky }), event);
    expect(server.reports.map(({ ip }) => ip).sort()).toEqual(['45.8.1.7', '45.8.1.8']);
    expect(audit()).toHaveLength(3);
  });

  it('whose report was taken without an answer is reported once all the same', async () => {
    const event = ban(`${IP}/32`);
    server.answerWith('keep');
    const hasty = reportingOf({ reporter: reporterOf({ timeout_seconds: 0.5 }) });
    await expect(report(hasty, event)).rejects.toThrow('no answer within 500 ms');
    server.answerWith(undefined);
    await report(reportingOf(), event);
    expect(server.reports).toHaveLength(1);
    expect(audit()).toEqual([`report ${IP}/32: ${IP}: abuseipdb has a report of ours already`]);
  });
});

describe('AbuseIPDB', () => {
  it('is told of no more than the budget, and each ban that is not reported says so once', async () => {
    const reporting = reportingOf({ reporter: reporterOf({ report: { daily: 3 } }) });
    await report(
      reporting,
      ...[1, 2].map((last) => ban(`45.8.1.${last}/32`)),
      ban('45.8.2.0/24', ['45.8.2.1', '45.8.2.2', '45.8.2.3']),
    );
    const later = ban('45.8.3.1/32');
    await report(reporting, later);
    await report(reporting, later);
    expect(server.reports).toHaveLength(3);
    expect(audit().filter((entry) => entry.startsWith('no-report'))).toEqual([
      'no-report 45.8.2.0/24: the daily budget of report is spent',
      'no-report 45.8.3.1/32: the daily budget of report is spent',
    ]);
    now += DAY_MS;
    await report(reporting, ban('45.8.3.2/32'));
    expect(server.reports).toHaveLength(4);
  });

  it('is left alone for the day when it says that it takes no more', async () => {
    await server.close();
    server = await startAbuseipdb({ daily: 1, now: () => now });
    const reporting = reportingOf();
    await report(reporting, ban('45.8.1.1/32'), ban('45.8.1.2/32'), ban('45.8.1.3/32'));
    // The answer to the first says that it was the last.
    expect(server.requests).toEqual(['report 45.8.1.1']);
    expect(audit().filter((entry) => entry.includes('is spent'))).toHaveLength(2);
  });

  it.each([
    [402, 'AbuseIPDB wants another plan for report: HTTP 402: no'],
    [422, 'AbuseIPDB does not take what was asked: HTTP 422: no'],
  ])('answers %i: the report is given up, and others are made', async (status, reason) => {
    server.answerWith({ status, body: JSON.stringify({ errors: [{ detail: 'no', status }] }) });
    await report(reportingOf(), ban('45.8.1.0/24', ['45.8.1.7', '45.8.1.8']));
    expect(server.requests).toHaveLength(2);
    expect(audit()[0]).toMatch(/^no-report 45\.8\.1\.0\/24: 45\.8\.1\.\d: /);
    expect(audit()[0]).toContain(reason);
  });

  it.each<
    [string, Parameters<AbuseipdbServer['answerWith']>[0], typeof TransientError | typeof PermanentError, RegExp]
  >([
    ['refuses the key', { status: 401, body: `no: ${ABUSEIPDB_KEY}` }, PermanentError, /refuses the key: HTTP 401/],
    ['is in trouble', { status: 503 }, TransientError, /HTTP 503/],
    ['says nothing', 'hang', TransientError, /no answer within 500 ms/],
    ['is cut off', 'cut', TransientError, /no connection/],
    ['talks of something else', { status: 200, body: '{"data":{}}' }, TransientError, /not AbuseIPDB's/],
  ])('%s: the lane decides what becomes of it', async (_, answer, kind, message) => {
    server.answerWith(answer);
    const reporter = reporterOf(answer === 'hang' ? { timeout_seconds: 0.5 } : {});
    const failure = await report(reportingOf({ reporter }), ban(`${IP}/32`)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(kind);
    expect(failure).toMatchObject({ message: expect.stringMatching(message) });
    expect(String(failure)).not.toContain(ABUSEIPDB_KEY);
    expect(audit()).toEqual([]);
  });
});
