import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Network, networkOf } from '../../src/core/network.ts';
import type { AuthFailed, Observation, Statement } from '../../src/core/observation.ts';
import type { Watcher } from '../../src/core/watcher.ts';
import { createDovecotWatcher } from '../../src/watchers/dovecot.ts';
import { parseDovecotLine } from '../../src/watchers/dovecot-line.ts';
import { createPostfixWatcher } from '../../src/watchers/postfix.ts';
import { parsePostfixLine } from '../../src/watchers/postfix-line.ts';
import { createSogoWatcher } from '../../src/watchers/sogo.ts';
import { createHarness } from '../support/recorder-harness.ts';
import { lineSource } from '../watchers/line-source.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');
const SINCE = 0;

/** A recorded log through its watcher and the recorder, some lines at a time as they come from a socket. */
async function play(create: (name: string, source: ReturnType<typeof lineSource>) => Watcher, path: string) {
  const lines = readFileSync(join(FIXTURES, path), 'utf8').trimEnd().split('\n');
  const h = createHarness();
  const watcher = create('service', lineSource(lines, 7));
  const observations: Observation[] = [];
  for await (const batch of watcher.watch(undefined, new AbortController().signal)) {
    observations.push(...batch.observations);
    h.recorder.record(watcher, batch);
  }
  h.recorder.finish();
  return { h, ofKind: <K extends Observation['kind']>(kind: K) => observations.filter((each) => each.kind === kind) };
}

function countBy(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}

describe('the log of postfix, recorded with the settings of mailcow', () => {
  it('makes one summary of all that was refused, exact for each service, reason and list', async () => {
    const { h, ofKind } = await play(createPostfixWatcher, 'postfix/mailcow.log');
    const rejected = ofKind('rejected').flatMap((each) => (each.kind === 'rejected' ? [each] : []));
    const [summary, ...others] = h.events;
    expect(others).toEqual([]);
    expect(rejected.length).toBeGreaterThanOrEqual(30);
    if (summary?.type !== 'reject.summary') throw new Error(`${summary?.type}`);
    const { total, temporary, addresses, services, dnsbls, reasons } = summary.rejects;
    expect(total).toBe(rejected.length);
    expect(temporary).toBe(rejected.filter(({ code }) => code?.startsWith('4')).length);
    expect(addresses).toBe(new Set(rejected.map(({ ip }) => ip)).size);
    const asRecord = (counted: readonly { name: string; count: number }[]) =>
      Object.fromEntries(counted.map(({ name, count }) => [name, count]));
    expect(asRecord(services)).toEqual(countBy(rejected.map(({ service }) => service)));
    expect(asRecord(dnsbls)).toEqual(countBy(rejected.flatMap(({ dnsbl }) => dnsbl ?? [])));
    const byReason = countBy(rejected.map(({ reason }) => reason));
    for (const { name, count } of reasons) expect([name, count]).toEqual([name, byReason[name]]);
  });

  it('explains a ban of each address by what failed there', async () => {
    const { h, ofKind } = await play(createPostfixWatcher, 'postfix/mailcow.log');
    const failed = countBy(ofKind('auth-failed').map(({ ip }) => ip ?? ''));
    expect(Object.keys(failed).length).toBeGreaterThan(10);
    for (const [ip, attempts] of Object.entries(failed)) {
      const reasons = h.ledger.evidence.reasons(networkOf(ip as never), SINCE, 'netfilter');
      expect([ip, reasons.attempts]).toEqual([ip, attempts]);
    }
  });
});

describe.each([
  ['dovecot', createDovecotWatcher, 'dovecot/mailcow-2.3.19.log', true],
  // A name can forge a line there.
  ['SOGo', createSogoWatcher, 'sogo/lines.log', false],
] as const)('the log of %s', (_, create, path, isTrusted) => {
  it('counts attempts, not lines, and knows who logged in from where', async () => {
    const { h, ofKind } = await play(create, path);
    // IPv4 is a part of it here.
    const total = h.ledger.evidence.reasons('::/0' as Network, SINCE, 'netfilter').attempts;
    const told = ofKind('auth-failed').length;
    expect(told).toBeGreaterThan(0);
    // A connection's last line tells of what the lines before it have told already.
    expect(total > 0 && total <= told + 10).toBe(true);
    const logins = ofKind('authenticated');
    expect(logins.length > 0).toBe(isTrusted);
    for (const { ip, account } of logins) {
      const names = h.ledger.knownUsers.inside(networkOf(ip as never), SINCE).map(({ name }) => name);
      expect(names).toContain(account);
    }
    expect(h.events.filter(({ type }) => type !== 'reject.summary')).toEqual([]);
  });
});

describe('the logs of postfix and dovecot of one hour', () => {
  it('tell of each attempt twice, and it counts once', () => {
    const { ledger } = createHarness();
    const told = [
      ...failuresIn('postfix', parsePostfixLine, 'postfix/mailcow.log'),
      ...failuresIn('dovecot', parseDovecotLine, 'dovecot/mailcow-2.3.19.log'),
    ].sort((a, b) => a.failure.at - b.failure.at);
    for (const { source, failure } of told) ledger.evidence.add(failure, source);
    const addresses = [...new Set(told.map(({ failure }) => failure.ip))];
    const counts = addresses.map((ip) => {
      const { attempts } = ledger.evidence.reasons(networkOf(ip), SINCE, 'netfilter');
      return [ip, attempts];
    });
    // What is tried by SMTP stands in both; what is tried by IMAP stands twice in dovecot's own, with its connection.
    const expected = addresses.map((ip) => {
      const of = (source: string) => told.filter((each) => each.source === source && each.failure.ip === ip);
      const single = of('dovecot').filter(({ failure }) => failure.attempts === undefined).length;
      return [ip, Math.max(of('postfix').length, single)];
    });
    expect(counts).toEqual(expected);
    expect(addresses.length).toBeGreaterThan(20);
  });
});

/** Failures of a recorded log, at the time that syslog wrote in front of them. */
function failuresIn(source: string, parse: (line: string) => Statement | undefined, path: string) {
  return readFileSync(join(FIXTURES, path), 'utf8')
    .split('\n')
    .flatMap((line): { source: string; failure: AuthFailed }[] => {
      const said = parse(line);
      const at = Date.parse(`2026 ${line.slice(0, 15)} UTC`);
      return said?.kind === 'auth-failed' ? [{ source, failure: { ...said, at } }] : [];
    });
}
