import { expect, test } from 'vitest';
import { explainLine } from '../../src/cli/explain-lines.ts';
import { createDovecotWatcher, dovecotWatcher } from '../../src/watchers/dovecot.ts';
import { parseDovecotLine } from '../../src/watchers/dovecot-line.ts';
import { createFail2banWatcher, fail2banWatcher } from '../../src/watchers/fail2ban.ts';
import { parseFail2banLine } from '../../src/watchers/fail2ban-line.ts';
import { createNetfilterWatcher, netfilterWatcher } from '../../src/watchers/netfilter.ts';
import { parseNetfilterLine } from '../../src/watchers/netfilter-line.ts';
import { postfixWatcher } from '../../src/watchers/postfix.ts';
import { parsePostfixLine } from '../../src/watchers/postfix-line.ts';
import { createSogoWatcher, sogoWatcher } from '../../src/watchers/sogo.ts';
import { parseSogoLine } from '../../src/watchers/sogo-line.ts';
import {
  buildForgeries,
  type Forgery,
  forgeryFile,
  formatForgeries,
  readForgeries,
  VICTIM,
} from '../fixtures/forgery.build.ts';
import { lineSource, observe } from './line-source.ts';

const forgeries = readForgeries();
const parsers = {
  netfilter: parseNetfilterLine,
  fail2ban: parseFail2banLine,
  postfix: parsePostfixLine,
  dovecot: parseDovecotLine,
  sogo: parseSogoLine,
};
const lostPrefixes = {
  netfilter: netfilterWatcher.lostPrefixes ?? [],
  fail2ban: fail2banWatcher.lostPrefixes ?? [],
  postfix: postfixWatcher.lostPrefixes ?? [],
  dovecot: dovecotWatcher.lostPrefixes ?? [],
  sogo: sogoWatcher.lostPrefixes ?? [],
};

/** A forgery succeeds if it changes what is banned, or puts a failure on someone else without a word of doubt. */
function isTakenIn(said: { kind: string; ip?: string; claimed?: boolean } | null | undefined): boolean {
  if (said === null || said === undefined) return false;
  const isOfOne = ['auth-failed', 'rejected', 'authenticated'].includes(said.kind);
  return isOfOne ? said.ip === VICTIM && said.claimed !== true : true;
}

function idsOf(list: readonly Forgery[]): string[] {
  return list.map(({ id }) => id);
}

function believedBy(reader: string): string[] {
  return idsOf(forgeries.filter((forgery) => forgery.believedBy?.some((name) => name === reader)));
}

test('the corpus is the one that its builder makes, and large enough to matter', () => {
  expect(forgeryFile()).toBe(formatForgeries(buildForgeries()));
  expect(forgeries.length).toBeGreaterThan(200);
  expect(new Set(idsOf(forgeries)).size).toBe(forgeries.length);
  expect(forgeries.some(({ lines }) => lines.some((line) => line.length >= 65_536))).toBe(true);
});

test.each(Object.entries(parsers))(
  'the %s parser believes nothing but whole lines of its own format, behind a line break of the client',
  (name, parse) => {
    const believed = forgeries.filter(({ lines }) => lines.some((line) => isTakenIn(parse(line))));
    expect(idsOf(believed)).toEqual(believedBy(`${name}-line`));
    expect(believed.every(({ lines }) => lines.length > 1)).toBe(true);
  },
);

const WRAPPERS: Record<string, (line: string) => string> = {
  compose: (line) => `netfilter-mailcow-1  | ${line}`,
  'coloured compose': (line) => `\u001b[36mnetfilter-mailcow-1  | \u001b[0m${line}`,
  'docker logs -t': (line) => `2026-11-23T11:59:59.123456789Z ${line}`,
  'compose with stamps': (line) => `netfilter-mailcow-1  | 2026-11-23T11:59:59.123456789Z ${line}`,
  'json-file': (line) => JSON.stringify({ log: `${line}\n`, stream: 'stdout', time: '2026-11-23T11:59:59Z' }),
  NETFILTER_LOG: (line) => JSON.stringify({ time: 1795430922, priority: 'warn', message: withoutPrefix(line) }),
  POSTFIX_MAILLOG: (line) =>
    JSON.stringify({
      time: '1795433369',
      program: 'postfix/smtpd',
      priority: 'warning',
      message: `${withoutPrefix(line)}\n`,
    }),
  'UI row': (line) => `23/11/2026, 11:59:59 | warn | ${withoutPrefix(line)}`,
};

function withoutPrefix(line: string): string {
  return line.replace(/^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARN: |Nov 23 \d\d:\d\d:\d\d \w+ [\w/-]+(?:\[\d+\])?: )/, '');
}

test.each(Object.entries(WRAPPERS))('explain is not taken in by what stands inside a line wrapped as %s', (_, wrap) => {
  for (const [name, parseLine] of Object.entries(parsers)) {
    const parser = { parseLine, lostPrefixes: lostPrefixes[name as keyof typeof parsers] };
    const takenIn = forgeries
      .filter(({ lines }) => lines.length === 1)
      .filter(({ lines }) => isTakenIn(explainLine(parser, wrap(lines[0] ?? ''))));
    expect(idsOf(takenIn)).toEqual([]);
  }
});

test('a record of NETFILTER_LOG keeps a name with line breaks in one piece: none is believed', () => {
  const takenIn = forgeries
    .filter(({ lines }) => lines.length > 1)
    .filter(({ lines }) => {
      const record = JSON.stringify({ time: 1795430922, priority: 'warn', message: withoutPrefix(lines.join('\n')) });
      return isTakenIn(explainLine({ parseLine: parseNetfilterLine }, record));
    });
  expect(idsOf(takenIn)).toEqual([]);
});

test('the netfilter watcher believes only what is marked as a hint', async () => {
  const genuine = {
    netfilter: '2026-11-23 11:48:37 INFO: Setting MAILCOW isolation',
    other: 'Setting MAILCOW isolation',
  };
  const believed: Forgery[] = [];
  for (const forgery of forgeries) {
    const before = forgery.log === 'netfilter' ? genuine.netfilter : genuine.other;
    const said = await observe(createNetfilterWatcher('netfilter', lineSource([before, ...forgery.lines])));
    if (said.some((observation) => isTakenIn(observation))) believed.push(forgery);
  }
  expect(idsOf(believed)).toEqual(believedBy('netfilter-watcher'));
});

test("the fail2ban watcher believes nothing that fail2ban's own log can be made to carry", async () => {
  const lines = forgeries.filter(({ log }) => log === 'fail2ban').flatMap((forgery) => forgery.lines);
  expect(lines.length).toBeGreaterThan(60);
  expect(await observe(createFail2banWatcher('fail2ban', lineSource(lines)))).toEqual([]);
});

test.each([
  ['dovecot', createDovecotWatcher],
  ['sogo', createSogoWatcher],
] as const)('the %s watcher puts nothing on someone else that a client wrote', async (log, create) => {
  const own = forgeries.filter((forgery) => forgery.log === log);
  expect(own.length).toBeGreaterThan(30);
  for (const { id, lines } of own) {
    const said = await observe(create(log, lineSource(lines)));
    expect([id, said.filter(isTakenIn)]).toEqual([id, []]);
  }
});
