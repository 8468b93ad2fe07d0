import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import { type Message, plainLine } from '../../src/core/message.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { NOW } from './rig.ts';

/** Random streams of bans, cut into messages at random: every event is in the counts of exactly one message. */

const samples = sampleEvents('mail.example.org', NOW).map(({ test: _test, ...event }) => event as BanEvent);
const sampleOf = (type: BanEvent['type']) => samples.find((event) => event.type === type) ?? expect.unreachable();
const sampleBan = (event: BanEvent): Ban => ('ban' in event ? event.ban : expect.unreachable());

interface Life {
  network: string;
  attempts: number;
  services: string[];
  country: string | undefined;
  isOwn: boolean;
  extensions: number;
  decision: 'lift' | 'would-lift' | 'keep' | undefined;
  isFailed: boolean;
  end: Ban['end_reason'];
}

const life: fc.Arbitrary<Life> = fc.record({
  network: fc.oneof(
    fc.tuple(fc.nat(30), fc.nat(255)).map(([third, last]) => `45.9.${third}.${last}/32`),
    fc.nat(9).map((part) => `2001:db8:${part}::/64`),
    fc.constantFrom('198.51.100.0/24', '45.0.0.0/16', '2001:db8::/32'),
  ),
  attempts: fc.nat(500),
  services: fc.subarray(['smtp', 'imap', 'pop3', 'sogo']),
  country: fc.option(fc.constantFrom(...'NL DE US CN RU BR IN FR GB IT ES PL'.split(' ')), { nil: undefined }),
  isOwn: fc.boolean().map((isOwn) => isOwn),
  extensions: fc.nat(2),
  decision: fc.option(fc.constantFrom('lift' as const, 'would-lift' as const, 'keep' as const), { nil: undefined }),
  isFailed: fc.boolean(),
  end: fc.option(fc.constantFrom('expired' as const, 'lifted' as const, 'lifted-by-cowbell' as const), {
    nil: undefined,
  }),
});

function eventsOf(each: Life, index: number): BanEvent[] {
  const started = sampleOf('ban.started');
  const ban: Ban = {
    ...sampleBan(started),
    id: `ban-${index}`,
    network: each.network,
    attempts: each.attempts,
    services: each.services,
    offenders: [
      { ip: '45.9.0.1', attempts: each.attempts, ...(each.country !== undefined && { country: each.country }) },
    ],
    known_users: each.isOwn && index % 7 === 0 ? sampleBan(samples[1] ?? started).known_users : [],
  };
  const of = (event: BanEvent, change: object = {}) =>
    ({ ...event, ...change, ban: { ...ban, ...('ban' in change ? (change.ban as object) : {}) } }) as BanEvent;
  return [
    of(started),
    ...Array.from({ length: each.extensions }, () => of(sampleOf('ban.extended'))),
    ...(each.decision === undefined
      ? []
      : [of(sampleOf('unban.decided'), { decision: { action: each.decision, mode: 'enforce', reasons: ['a'] } })]),
    ...(each.isFailed ? [of(sampleOf('unban.failed'))] : []),
    ...(each.end === undefined
      ? []
      : [of(sampleOf('ban.ended'), { ban: { end_reason: each.end, ended_at: started.at } })]),
  ];
}

const others = samples.filter((event) => !('ban' in event));

/** Each ban's events in their order, and those of all mixed; then cut into deliveries. */
const deliveries: fc.Arbitrary<BanEvent[][]> = fc
  .tuple(
    fc.array(life, { minLength: 1, maxLength: 60 }),
    fc.array(fc.constantFrom(...others), { maxLength: 15 }),
    fc.infiniteStream(fc.nat(1_000_000)),
    fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 6 }),
  )
  .map(([lives, rest, chance, sizes]) => {
    const queues = [...lives.map(eventsOf), ...rest.map((event) => [event])];
    const draw = chance[Symbol.iterator]();
    const mixed: BanEvent[] = [];
    while (queues.length > 0) {
      const at = Number(draw.next().value) % queues.length;
      const event = queues[at]?.shift();
      if (event !== undefined)
        mixed.push({ ...event, id: `e${mixed.length}`, at: new Date(NOW + mixed.length * 500).toISOString() });
      if (queues[at]?.length === 0) queues.splice(at, 1);
    }
    const cut: BanEvent[][] = [];
    for (let from = 0, n = 0; from < mixed.length; n++) {
      const size = sizes[n % sizes.length] ?? 1;
      cut.push(mixed.slice(from, from + size));
      from += size;
    }
    return cut;
  });

const number = (text: string | undefined) => Number((text ?? '0').replaceAll(',', ''));

/** What a person reads in the title. */
function readTitle(message: Message) {
  const title = plainLine(message.title);
  const count = (pattern: RegExp) => number(pattern.exec(title)?.[1]);
  return {
    bans: count(/(?:^|, )([\d,]+) bans?\b/),
    over: count(/\(([\d,]+) of them over\)/),
    ended: count(/([\d,]+) ended/),
    extended: count(/([\d,]+) extended/),
    decisions: ['lifted by cowbell', 'would be lifted', 'left to stand', 'could not be lifted'].reduce(
      (sum, word) => sum + count(new RegExp(`([\\d,]+) ${word}`)),
      0,
    ),
    others: count(/([\d,]+) (?:other )?events?\b/),
  };
}

/** The same, counted anew from the events. */
function countAgain(events: readonly BanEvent[]) {
  const started = new Set<string>();
  const lifting = new Set<string>();
  const counts = { bans: 0, over: 0, ended: 0, extended: 0, decisions: 0, others: 0 };
  let told = 0;
  for (const event of events) {
    if (!('ban' in event)) counts.others++;
    else if (event.type === 'ban.started') {
      counts.bans++;
      started.add(event.ban.id);
    } else if (event.type === 'ban.extended') counts.extended++;
    else if (event.type !== 'ban.ended') {
      counts.decisions++;
      if (event.type === 'unban.decided' && event.decision.action === 'lift') lifting.add(event.ban.id);
    } else if (started.has(event.ban.id)) counts.over++;
    // That cowbell lifts it is told already.
    else if (lifting.has(event.ban.id)) told++;
    else counts.ended++;
  }
  return { counts, told };
}

const factOf = (message: Message, label: string) => {
  const found = message.facts.find((fact) => fact.label === label);
  return found === undefined ? undefined : plainLine(found.value);
};

/** `smtp 40, imap 9 and 3 in 2 others, 1 unknown` */
function readCounts(text: string | undefined) {
  const [, rest, unknown] = [
    text,
    / and ([\d,]+) in [\d,]+ others?/.exec(text ?? '')?.[1],
    /, ([\d,]+) unknown$/.exec(text ?? '')?.[1],
  ];
  const named = (text ?? '').replace(/ and [\d,]+ in [\d,]+ others?/, '').replace(/, [\d,]+ unknown$/, '');
  const counts = [...named.matchAll(/(\S+) ([\d,]+)(?:, |$)/g)].map(
    ([, name, count]) => [name ?? '', number(count)] as const,
  );
  return {
    counts,
    rest: number(rest),
    unknown: number(unknown),
    sum: counts.reduce((sum, [, n]) => sum + n, 0) + number(rest),
  };
}

function tally(values: readonly (string | undefined)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

test('the sum of the counts in all messages is the number of events, and each is told once', () => {
  fc.assert(
    fc.property(deliveries, (cut) => {
      let events = 0;
      let accounted = 0;
      for (const delivery of cut) {
        const message = composeMessage(delivery);
        const { counts, told } = countAgain(delivery);
        events += delivery.length;
        if (delivery.length === 1) {
          accounted++;
          continue;
        }
        const read = readTitle(message);
        expect(read).toEqual(counts);
        accounted += Object.values(read).reduce((sum, n) => sum + n, 0) + told;
      }
      expect(accounted).toBe(events);
    }),
    { numRuns: 400 },
  );
});

test('totals by service, country and network are exact, the rest is counted', () => {
  fc.assert(
    fc.property(deliveries, (cut) => {
      for (const delivery of cut.filter(({ length }) => length > 1)) {
        const message = composeMessage(delivery);
        const bans = delivery.flatMap((event) => (event.type === 'ban.started' ? [event.ban] : []));
        const services = tally(bans.flatMap((ban) => ban.services));
        const countries = tally(bans.map((ban) => ban.offenders[0]?.country));
        for (const [label, expected, unknown] of [
          ['Services', services, bans.filter((ban) => ban.services.length === 0).length],
          ['Countries', countries, bans.filter((ban) => ban.offenders[0]?.country === undefined).length],
        ] as const) {
          const read = readCounts(factOf(message, label));
          for (const [name, count] of read.counts) expect([name, expected.get(name)]).toEqual([name, count]);
          expect(read.sum).toBe([...expected.values()].reduce((sum, n) => sum + n, 0));
          if (expected.size > 0) expect(read.unknown).toBe(unknown);
          expect(read.counts.length).toBe(Math.min(expected.size, 10));
          expect(read.counts.map(([, count]) => count)).toEqual(
            [...expected.values()].sort((a, b) => b - a).slice(0, 10),
          );
        }
        const networks = factOf(message, 'Networks');
        if (networks !== undefined) expect(readCounts(networks).sum).toBe(bans.length);
        expect(number(factOf(message, 'Failed attempts'))).toBe(bans.reduce((sum, ban) => sum + ban.attempts, 0));
      }
    }),
    { numRuns: 300 },
  );
});

test('the ten worst are the ten worst, and what is not listed is counted', () => {
  fc.assert(
    fc.property(fc.array(life, { minLength: 2, maxLength: 60 }), (lives) => {
      const started = lives.map((each, index) => eventsOf({ ...each, isOwn: false }, index)[0] ?? expect.unreachable());
      const message = composeMessage(started);
      const lines = message.items.map(plainLine).filter((line) => !line.startsWith('and '));
      const listed = lines.map((line) => number(/ ([\d,]+) attempts?\b/.exec(line)?.[1]));
      const worst = lives.map(({ attempts }) => attempts).sort((a, b) => b - a);
      expect(listed).toEqual(worst.slice(0, 10));
      const rest = /^and ([\d,]+) more/.exec(plainLine(message.items.at(-1) ?? []))?.[1];
      expect(number(rest)).toBe(Math.max(0, lives.length - 10));
    }),
    { numRuns: 200 },
  );
});
