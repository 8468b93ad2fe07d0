import type { Mail } from '../core/mail.ts';
import { ICONS, type Line, type Message, type Part, plainLine } from '../core/message.ts';
import { safeText, sanitizeLine } from '../core/text.ts';
import { chunkUpTo } from './fit-lines.ts';
import { escapeHtml, isPlainText, renderHtmlLine } from './html-text.ts';

/** A header may have 998 characters (https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1); what is shown of one is less. */
const SUBJECT = 200;
/** Our own bounds of one part. */
const LINES_TEXT = 20_000;

const STYLES = {
  body: 'font-family:sans-serif;font-size:14px;color:#222',
  title: 'font-size:17px;margin:0 0 12px',
  label: 'text-align:left;vertical-align:top;padding:2px 12px 2px 0;font-weight:normal;color:#666',
  evidence: 'background:#f4f4f4;padding:8px;white-space:pre-wrap;font-size:12px',
  picture: 'width:480px;max-width:100%',
  footer: 'color:#888;font-size:12px',
};

const PICTURE = { cid: 'chart@cowbell', name: 'chart.png' };

/** A message as the subject and the two forms of a mail. The picture of its chart is drawn with the first that has one. */
export async function renderMail(message: Message): Promise<Pick<Mail, 'subject' | 'text' | 'html' | 'pictures'>> {
  const shown = defangMessage(message);
  const png = message.chart && (await (await import('./chart-png.ts')).drawChart(message.chart));
  return {
    subject: mailSubject(message),
    text: textOf(shown),
    html: htmlOf(shown),
    pictures: png === undefined ? [] : [{ ...PICTURE, png }],
  };
}

export function mailSubject({ tone, title }: Message): string {
  return safeText(`${ICONS[tone]} ${withoutHtml(title.map(defangPart))}`, SUBJECT);
}

function textOf(message: Message): string {
  const line = (each: Line) => sanitizeLine(withoutHtml(each));
  const blocks = [
    [`${ICONS[message.tone]} ${line(message.title)}`],
    message.lead.map(line),
    message.facts.map(({ label, value }) => `${label}: ${line(value)}`),
    message.notes.map((note) => `⚠ ${line(note)}`),
    message.items.map((item) => `• ${line(item)}`),
    message.evidence.map((each) => `| ${each}`),
    // What stands behind it is shown as a signature.
    ['-- ', message.footer],
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => upTo(lines).join('\n'))
    .join('\n\n')}\n`;
}

/** What a template has in HTML is text here. */
function withoutHtml(line: Line): string {
  return plainLine(
    line.map((part) =>
      typeof part === 'object' && 'markup' in part ? { markup: part.markup.replace(/<[^>]{0,500}>/g, '') } : part,
    ),
  );
}

function htmlOf(message: Message): string {
  const lines = (each: readonly Line[], mark = '') => upTo(each.map((line) => mark + renderHtmlLine(line)));
  const facts = message.facts.map(
    ({ label, value }) =>
      `<tr><th style="${STYLES.label}">${escapeHtml(label)}</th><td>${renderHtmlLine(value)}</td></tr>`,
  );
  const parts = [
    `<h1 style="${STYLES.title}">${ICONS[message.tone]} ${renderHtmlLine(message.title)}</h1>`,
    ...lines(message.lead).map((each) => `<p>${each}</p>`),
    facts.length === 0 ? '' : `<table style="border-collapse:collapse">\n${facts.join('\n')}\n</table>`,
    ...lines(message.notes, '⚠ ').map((each) => `<p>${each}</p>`),
    message.items.length === 0
      ? ''
      : `<ul>\n${lines(message.items)
          .map((each) => `<li>${each}</li>`)
          .join('\n')}\n</ul>`,
    message.evidence.length === 0
      ? ''
      : `<pre style="${STYLES.evidence}">${message.evidence.map(escapeHtml).join('\n')}</pre>`,
    message.chart === undefined ? '' : pictureOf(message.chart.caption),
    `<p style="${STYLES.footer}">${escapeHtml(message.footer)}</p>`,
  ].filter((part) => part !== '');
  return `<!doctype html>\n<html><head><meta charset="utf-8"></head><body style="${STYLES.body}">\n${parts.join('\n')}\n</body></html>\n`;
}

function pictureOf(caption: string): string {
  const text = escapeHtml(caption);
  return `<p><img src="cid:${PICTURE.cid}" alt="${text}" style="${STYLES.picture}"></p>\n<p style="${STYLES.footer}">${text}</p>`;
}

function upTo(lines: readonly string[]): string[] {
  return chunkUpTo(lines, LINES_TEXT, 1).flatMap((text) => text.split('\n'));
}

function defangMessage(message: Message): Message {
  const line = (each: Line): Line => each.map(defangPart);
  return {
    ...message,
    title: line(message.title),
    lead: message.lead.map(line),
    facts: message.facts.map(({ label, value }) => ({ label, value: line(value) })),
    notes: message.notes.map(line),
    items: message.items.map(line),
    evidence: message.evidence.map(defang),
    footer: message.footer,
  };
}

function defangPart(part: Part): Part {
  if (typeof part !== 'object') return part;
  if ('code' in part) return { code: defang(part.code) };
  return 'words' in part && !isPlainText(part.words) ? { words: defang(part.words) } : part;
}

/** Mail clients make links of addresses in any text, code or not: `https[:]//evil[.]example`. Of a mail address they may. */
export function defang(text: string): string {
  return text.replace(/:(?=\/\/)/g, '[:]').replace(/(?<![\w+-]@[\w.-]{0,64})\.(?=\p{L})/gu, '[.]');
}
