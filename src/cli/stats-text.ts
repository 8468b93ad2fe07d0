import { styleText } from 'node:util';
import { bar } from '../core/bar.ts';
import { sparkline } from '../core/sparkline.ts';
import { formatCount, formatDuration, plural, safeText } from '../core/text.ts';
import { cutToWidth, widthOf } from '../core/text-width.ts';
import { timeFormat } from '../core/time-format.ts';
import type { Stats } from './stats.ts';

/** Narrower than this, lines run over the edge; wider, bars get no longer. */
const NARROWEST = 40;
const WIDEST = 110;
/** Columns of the longest bar. */
const LONGEST_BAR = 40;
/** Columns of the longest name. */
const NAME = 32;

interface Look {
  /** Of the terminal. */
  columns: number;
  paint: boolean;
  locale?: string | undefined;
}

/** Numbers as aligned text with bars; nothing that a stranger wrote can act on the terminal. */
export function renderStats(stats: Stats, { columns, paint, locale }: Look): string {
  const width = Math.min(WIDEST, Math.max(NARROWEST, columns));
  const room = width - 2;
  const time = timeFormat(stats.time_zone, locale);
  const from = Date.parse(stats.from);
  const to = Date.parse(stats.to);
  const heading = (text: string) => (paint ? styleText('bold', text, { validateStream: false }) : text);
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', heading(title), ...lines.map((line) => `  ${cutToWidth(line, room)}`)];
  const { totals, before } = stats;
  const isEmpty = totals.bans === 0 && totals.rejects === 0 && totals.lifted === 0;
  const head = [
    heading(`${safeText(stats.host, 100)}, the last ${formatDuration(to - from)}`),
    `${time(from)} – ${time(to)}`,
    ...notesOf(stats, time),
  ];
  const lists: [string, readonly { name: string; count: number }[]][] = [
    ['Services', stats.services],
    ['Countries', stats.countries],
    // One jail, as mailcow has, is no news.
    ['Jails', stats.jails.length > 1 ? stats.jails : []],
    ['Own users', stats.known_users],
    ['Ended', stats.end_reasons],
    ['Auto-unban', stats.decisions],
  ];
  const body = isEmpty
    ? ['', `No bans; ${formatCount(stats.standing)} ${stats.standing === 1 ? 'stands' : 'stand'} now.`]
    : [
        ...section(
          `Totals${before === undefined ? '' : `, and of the ${formatDuration(to - from)} before`}`,
          totalLines(stats),
        ),
        ...section('Top offenders', offenderLines(stats)),
        ...lists.flatMap(([title, counted]) => section(title, countedLines(counted, room))),
        ...(totals.bans === 0
          ? []
          : section(`Hours of the day, ${stats.time_zone}`, hourLines(stats.hours_of_day, room))),
        ...(totals.bans === 0 ? [] : section('Bans over time', overTimeLines(stats, room))),
      ];
  return `${[...head, ...body].join('\n')}\n`;
}

/** What these numbers cannot know. */
function notesOf({ from, known_since, events_known_since }: Stats, time: (ms: number) => string): string[] {
  const start = Date.parse(from);
  const since = Date.parse(known_since);
  const eventsSince = Date.parse(events_known_since);
  return [
    ...(since > start ? [`The ledger knows of bans since ${time(since)} only.`] : []),
    ...(eventsSince > Math.max(start, since)
      ? [`The ledger knows of own users and rejects since ${time(eventsSince)} only.`]
      : []),
  ];
}

/** Each total, what it was before, and by how much that differs. */
function totalLines({ totals, before, standing }: Stats): string[] {
  const rows = (
    [
      ['bans', 'bans'],
      ['networks', 'networks'],
      ['attempts', 'failed attempts'],
      ['own_users', 'bans of own users'],
      ['lifted', 'lifted early'],
      ['rejects', 'rejects'],
    ] as const
  ).map(([key, label]) => {
    const then = before?.[key];
    return [
      label,
      formatCount(totals[key]),
      ...(then === undefined ? [] : [formatCount(then), change(totals[key], then)]),
    ];
  });
  return align([...rows, ['standing now', formatCount(standing)]], [1, 2, 3]);
}

function change(now: number, before: number): string {
  if (before === 0) return now === 0 ? '' : 'new';
  const percent = Math.round(((now - before) / before) * 100);
  if (percent === 0) return '=';
  return `${percent > 0 ? '+' : '−'}${formatCount(Math.abs(percent))} %`;
}

function offenderLines({ offenders }: Stats): string[] {
  if (offenders.length === 0) return [];
  const rows = offenders.map(({ network, bans, attempts, country, asn, as_name }) => [
    safeText(network, 50),
    plural(bans, 'ban'),
    plural(attempts, 'attempt'),
    safeText(country ?? '', 10),
    safeText(`${asn === undefined ? '' : `AS${asn} `}${as_name ?? ''}`, 100),
  ]);
  return align(rows, [1, 2]);
}

function countedLines(counted: readonly { name: string; count: number }[], room: number): string[] {
  return barLines(
    counted.map(({ name, count }) => ({ label: cutToWidth(safeText(name, 100), Math.min(NAME, room >> 1)), count })),
    room,
  );
}

function overTimeLines({ from, to, time_zone, bans_over_time: counts }: Stats, room: number): string[] {
  const start = Date.parse(from);
  const partMs = (Date.parse(to) - start) / counts.length;
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: time_zone,
    weekday: 'short',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const label = (ms: number) => {
    const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return `${part.weekday} ${part.month}-${part.day} ${part.hour}:${part.minute}`;
  };
  return barLines(
    counts.map((count, index) => ({ label: label(start + index * partMs), count })),
    room,
  );
}

/** A spark for each hour, and under it which. */
function hourLines(hours: readonly number[], room: number): string[] {
  const each = Math.min(3, Math.floor(room / hours.length));
  const every = each === 1 ? 6 : 3;
  const blocks = [...sparkline(hours)].map((block) => block.repeat(each)).join('');
  const axis = hours
    .map((_, hour) => (hour % every === 0 ? String(hour).padEnd(each * every) : ''))
    .join('')
    .trimEnd();
  const most = Math.max(...hours);
  const hour = hours.indexOf(most);
  return [blocks, axis, `most from ${hour}:00 to ${hour + 1}:00, ${plural(most, 'ban')}`];
}

function barLines(rows: readonly { label: string; count: number }[], room: number): string[] {
  const highest = Math.max(0, ...rows.map(({ count }) => count));
  const texts = align(
    rows.map(({ label, count }) => [label, formatCount(count)]),
    [1],
  );
  const longest = Math.min(LONGEST_BAR, room - Math.max(0, ...texts.map(widthOf)) - 2);
  return rows.map(({ count }, index) => `${texts[index]}  ${bar(count, highest, longest)}`.trimEnd());
}

/** Cells under each other, two blanks apart; those of the columns in `right` end under each other. */
function align(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const blanks = ' '.repeat((widths[i] ?? 0) - widthOf(cell));
        return right.includes(i) ? blanks + cell : cell + blanks;
      })
      .join('  ')
      .trimEnd(),
  );
}
