import { ICONS, type Line, type Message, type Part } from '../core/message.ts';
import { cutText } from '../core/text.ts';

/** A message for services that push a title and plain text to a telephone. */
export interface PushText {
  title: string;
  text: string;
}

/** Our own bound: below what each of them takes, also where a character has three bytes. */
const TITLE = 250;

/** `bytes` is the room of the text in UTF-8. The end of it is cut, never the foot. */
export function renderPush(message: Message, bytes: number): PushText {
  const lines = [
    ...message.lead,
    ...message.facts.map(({ label, value }): Line => [`${label}: `, ...value]),
    ...message.notes.map((note): Line => ['⚠ ', ...note]),
    ...message.items.map((item): Line => ['• ', ...item]),
    ...message.evidence.map((code): Line => [{ code }]),
  ];
  const foot = withoutLinks(message.footer);
  const room = bytes - Buffer.byteLength(foot) - 1;
  const text = cutBytes(lines.map(pushLine).join('\n'), room);
  return {
    title: cutText(`${ICONS[message.tone]} ${pushLine(message.title)}`, TITLE),
    text: text === '' ? foot : `${text}\n${foot}`,
  };
}

function pushLine(line: Line): string {
  return line.map(pushPart).join('');
}

function pushPart(part: Part): string {
  if (typeof part === 'string') return part;
  if ('code' in part) return withoutLinks(part.code);
  if ('words' in part) return withoutLinks(part.words);
  if ('markup' in part) return part.markup;
  return part.as === 'moment' ? part.text : '';
}

/** An app that looks for addresses in plain text finds none with a scheme in it: `https: //evil.example`. */
export function withoutLinks(text: string): string {
  return text.replace(/:(?=\/\/)|(?<=mailto|tel|sms|geo):(?! )/gi, ': ');
}

/** At most so many bytes of UTF-8, never half a character; `…` stands for the rest. */
export function cutBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  const more = '…';
  const room = Math.max(0, limit - Buffer.byteLength(more));
  return new TextDecoder().decode(bytes.subarray(0, room), { stream: true }) + more;
}
