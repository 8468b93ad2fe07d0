import { hostOf, networkOf, parseIp, parseNetwork } from '../core/network.ts';
import type { Service, Statement } from '../core/observation.ts';
import type { LogSource, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { serviceOfName } from './failure-text.ts';
import { readEach, watchLog } from './log-watcher.ts';
import { type Pattern, PatternOptions, SERVICES } from './pattern-options.ts';
import { compilePattern } from './pattern-regex.ts';
import { accountOf, evidenceOf } from './redact.ts';

/** The admin's own patterns over the log of any container. */
export const patternWatcher: WatcherDefinition<typeof PatternOptions> = {
  type: 'pattern',
  summary: 'Your own regular expressions over the log of any container',
  options: PatternOptions,
  reads: 'container',
  byDefault: false,
  tellsOf: (jail, { patterns }) => patterns.some((pattern) => mayTellOf(pattern, jail)),
  create: (name, options, tools) => {
    const { service = '', container } = options;
    return createPatternWatcher(
      name,
      tools.containerLog(container === undefined ? { service } : { container }),
      options,
    );
  },
  createParser: createPatternParser,
  createFor: createPatternWatcher,
  describe: ({ patterns }) => patterns.map((pattern, index) => `${nameOf(pattern, index)} tells of ${pattern.kind}`),
};

export function createPatternWatcher(name: string, source: LogSource, options: PatternOptions): Watcher {
  return watchLog({ name, source, createReader: readEach(createPatternParser(options)) });
}

/** What the first pattern that matches makes of a line. Throws for patterns that were not checked. */
export function createPatternParser({ patterns }: PatternOptions): (text: string) => Statement | undefined {
  const readers = patterns.map(createReader);
  return (text) => {
    for (const read of readers) {
      const statement = read(text);
      if (statement !== undefined) return statement;
    }
    return undefined;
  };
}

type Groups = Readonly<Record<string, string | undefined>>;

function createReader(pattern: Pattern, index: number): (text: string) => Statement | undefined {
  const { match } = compilePattern(pattern.regex);
  const ignored = (pattern.ignore ?? []).map((regex) => compilePattern(regex));
  const name = nameOf(pattern, index);
  return (text) => {
    const groups = match(text);
    if (groups === undefined || ignored.some((each) => each.match(text) !== undefined)) return undefined;
    const statement = statementOf(pattern, groups, name);
    return statement && { ...statement, pattern: name, line: evidenceOf(text) };
  };
}

/** Undefined where what a group holds is not what its name says: an address, a network, the name of a jail. */
function statementOf(pattern: Pattern, groups: Groups, name: string): Statement | undefined {
  const place = placeOf(groups);
  const jail = groups.jail ?? pattern.jail;
  const service = serviceOf(groups.service) ?? pattern.service;
  const account = accountOf(accountIn(groups) ?? pattern.account);
  if (place === undefined || (jail !== undefined && !/^[^\s[\]]{1,64}$/.test(jail))) return undefined;
  const { ip, network } = place;
  const facts = { ...(service && { service }), ...(account !== undefined && { account }) };
  if (pattern.kind === 'banned' || pattern.kind === 'unbanned') {
    return jail === undefined ? undefined : { kind: pattern.kind, jail, network, ...(ip && { ip }), ...facts };
  }
  if (ip === undefined) return undefined;
  if (pattern.kind === 'auth-failed') return { kind: 'auth-failed', ...(jail !== undefined && { jail }), ip, ...facts };
  if (pattern.kind === 'rejected') return service && { kind: 'rejected', ip, service, reason: name, ...facts };
  return account === undefined ? undefined : { kind: 'authenticated', ip, ...facts, account };
}

function placeOf({ ip, ip4, ip6, network, cidr }: Groups) {
  const written = ip ?? ip4 ?? ip6;
  const address = written === undefined ? undefined : parseIp(written.toLowerCase());
  const text = network ?? (written !== undefined && cidr !== undefined ? `${written}/${cidr}` : undefined);
  const net = text === undefined ? address && networkOf(address) : parseNetwork(text.toLowerCase());
  if (net === undefined || (written !== undefined && address === undefined)) return undefined;
  return { network: net, ip: address ?? hostOf(net) };
}

function accountIn(groups: Groups): string | undefined {
  if (groups.account !== undefined && groups.account !== '') return groups.account;
  return Object.keys(groups)
    .filter((group) => group.startsWith('account_'))
    .map((group) => groups[group])
    .find((text) => text !== undefined && text !== '');
}

function serviceOf(text: string | undefined): Service | undefined {
  return SERVICES.find((service) => service === text) ?? serviceOfName(text ?? '');
}

function nameOf({ name }: Pattern, index: number): string {
  return name ?? `patterns[${index}]`;
}

/** A group can give any jail. */
function mayTellOf({ kind, regex, jail }: Pattern, asked: string): boolean {
  if (kind !== 'banned' && kind !== 'unbanned') return false;
  return jail === asked || /\(\?P?<jail>/.test(regex);
}
