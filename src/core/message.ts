import { cutText, safeText } from './text.ts';

/**
 * A message before it is made for one service: what it says, in parts whose kind decides how a service must escape them.
 * All text in it is visible and cut to a length; nothing is escaped yet.
 */

/** A piece of a line. */
export type Part =
  /** Our own words. */
  | string
  /** Text that a stranger may have written, or an address: shown so that nothing in it can act. Made by `code`. */
  | { code: string }
  /** Somebody else's words: shown as our own where they are `isHarmless`, else as code. Made by `words`. */
  | { words: string }
  /** The admin's own, from a template, in the markup of the service: passed on as it is. */
  | { markup: string }
  /**
   * A moment, in ms since the epoch: shown in the reader's time zone where the service can, else as `text`. A distance is
   * added to a moment, ` (in 30 minutes)`, where the service keeps it up to date. Made by `moment` and `distance`.
   */
  | { time: number; as: 'moment' | 'distance'; text: string };

export type Line = readonly Part[];

/** What a message is, at a glance: it decides colour and icon. */
export type Tone = 'own' | 'ban' | 'end' | 'cleared' | 'denied' | 'trouble' | 'recovered' | 'quiet';

export interface Message {
  tone: Tone;
  title: Line;
  /** Who, why, how long: the lines that a person reads first. */
  lead: readonly Line[];
  facts: readonly { label: string; value: Line }[];
  /** What to bear in mind: it was late, it is only the log's word. */
  notes: readonly Line[];
  /** A list, as in a message about many events. */
  items: readonly Line[];
  /** Log lines. */
  evidence: readonly string[];
  /** Counts over time, oldest first, and the same of the period before: a picture where the service shows one. */
  chart?: { values: readonly number[]; previous?: readonly number[]; caption: string };
  footer: string;
  /** When the last of it happened, ms since the epoch. */
  at: number;
}

export const ICONS: Record<Tone, string> = {
  own: '🚨',
  ban: '🔔',
  end: '🔓',
  cleared: '🧹',
  denied: '⛔',
  trouble: '⚠️',
  recovered: '✅',
  quiet: 'ℹ️',
};

/** RGB. */
export const COLOURS: Record<Tone, number> = {
  own: 0x8e24aa,
  ban: 0xd32f2f,
  end: 0x388e3c,
  cleared: 0xf57c00,
  denied: 0x212121,
  trouble: 0xfbc02d,
  recovered: 0x00897b,
  quiet: 0x78909c,
};

/** Longest piece of foreign text in a line: also when escaped five times as long, several of it fit any service. */
const CODE_TEXT = 64;
/** Longest explanation, such as why a source is down. */
const WORDS_TEXT = 400;
/** Longest line of evidence. */
const EVIDENCE_TEXT = 300;

export function code(text: string, limit = CODE_TEXT): Part {
  return { code: safeText(text, limit) };
}

export function words(text: string, limit = WORDS_TEXT): Part {
  return { words: safeText(text, limit) };
}

export function moment(time: number): Part {
  return { time, as: 'moment', text: plainTime(time) };
}

export function distance(time: number): Part {
  return { time, as: 'distance', text: plainTime(time) };
}

/** What stands at the foot of a message: plain text in every service. */
export function footer(...texts: readonly string[]): string {
  const shown = texts.map((text) => safeText(text, 100)).filter((text) => text !== '');
  return shown.length === 0 ? 'cowbell' : shown.join(' · ');
}

export function evidenceLines(lines: readonly string[]): string[] {
  return lines
    .slice(0, 5)
    .map((line) => safeText(line, EVIDENCE_TEXT))
    .filter((line) => line !== '');
}

/** Whether no service could take any of it for markup, a mention, an emoji or a link. */
export function isHarmless(text: string): boolean {
  return /^\p{L}[\p{L}\p{N} .,;:'"()/+·-]*$/u.test(text) && !/:(?:\S|$)|\/\//.test(text);
}

/** A line as plain text: times in UTC. */
export function plainLine(line: Line): string {
  return line
    .map((part) => {
      if (typeof part === 'string') return part;
      if ('code' in part) return part.code;
      if ('words' in part) return part.words;
      if ('markup' in part) return part.markup;
      return part.as === 'moment' ? part.text : '';
    })
    .join('');
}

/** `2026-11-23 11:18 UTC`. */
export function plainTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** `a, b and c`, from lines. */
export function joinLines(lines: readonly Line[], last = ' and '): Line {
  return lines.flatMap((line, index): Part[] => {
    if (index === 0) return [...line];
    return [index === lines.length - 1 ? last : ', ', ...line];
  });
}

/** A message without any markup, for a service that refused it as it was: what happened, why, and to whom. */
export function plainMessage(message: Message, limit: number): string {
  const facts = message.facts.map(({ label, value }): Line => [`${label}: `, ...value]);
  const lines = [message.title, ...message.lead, ...facts, ...message.notes, ...message.items];
  const text = [`${ICONS[message.tone]} ${plainLine(message.title)}`, ...lines.slice(1).map(plainLine)].join('\n');
  return cutText(text, limit);
}
