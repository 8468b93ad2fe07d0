import { controlProblems } from './slack-rules.ts';

/** A mail as its reader sees it, taken apart by https://www.rfc-editor.org/rfc/rfc5322 and RFC 2045 to 2047. */
export interface ReadMail {
  /** Names in lower case, in their order; folds undone, encoded words decoded. */
  headers: [name: string, value: string][];
  text: string;
  html: string | undefined;
  pictures: { cid: string; bytes: Buffer }[];
}

export function headerOf({ headers }: ReadMail, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}

export function readMail(raw: string): ReadMail {
  const { headers, body } = splitMail(raw);
  const mail: ReadMail = { headers, text: '', html: undefined, pictures: [] };
  readPart(headers, body, mail);
  return mail;
}

function splitMail(raw: string): { headers: [string, string][]; body: string } {
  const end = raw.indexOf('\r\n\r\n');
  const head = raw.slice(0, end).replace(/\r\n[ \t]/g, ' ');
  const headers = head.split('\r\n').map((line): [string, string] => {
    const [, name = '', value = ''] = /^([!-9;-~]+): ?(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`no header: ${JSON.stringify(line.slice(0, 80))}`);
    return [name.toLowerCase(), decodeWords(value)];
  });
  return { headers, body: raw.slice(end + 4) };
}

function readPart(headers: [string, string][], body: string, mail: ReadMail): void {
  const value = (name: string) => headers.find(([each]) => each === name)?.[1] ?? '';
  const type = value('content-type');
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1];
  if (boundary !== undefined) {
    const parts = `\r\n${body}`.split(`\r\n--${boundary}`).slice(1, -1);
    for (const part of parts) {
      const inner = splitMail(part.replace(/^\r\n/, ''));
      readPart(inner.headers, inner.body, mail);
    }
    return;
  }
  const bytes = decodeBody(body, value('content-transfer-encoding').toLowerCase());
  const text = bytes.toString('utf8').replaceAll('\r\n', '\n');
  if (type.startsWith('text/html')) mail.html = text;
  else if (type.startsWith('text/plain')) mail.text = text;
  else mail.pictures.push({ cid: value('content-id').replace(/[<>]/g, ''), bytes });
}

function decodeBody(body: string, encoding: string): Buffer {
  if (encoding === 'base64') return Buffer.from(body, 'base64');
  if (encoding !== 'quoted-printable') return Buffer.from(body, 'utf8');
  const joined = body.replace(/=\r\n/g, '');
  return Buffer.from(
    joined.replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

/** https://www.rfc-editor.org/rfc/rfc2047 */
function decodeWords(value: string): string {
  return value.replace(/\?=\s+=\?/g, '?==?').replace(/(?:=\?utf-8\?[bq]\?[^?]*\?=)+/gi, (words) => {
    const pieces = [...words.matchAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi)].map(([, how = '', text = '']) =>
      how.toLowerCase() === 'b'
        ? Buffer.from(text, 'base64')
        : decodeBody(text.replaceAll('_', ' '), 'quoted-printable'),
    );
    return Buffer.concat(pieces).toString('utf8');
  });
}

const HEADERS = [
  'auto-submitted',
  'x-auto-response-suppress',
  'importance',
  'from',
  'to',
  'subject',
  'message-id',
  'in-reply-to',
  'references',
  'date',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
];
const ELEMENTS =
  /<\/?(?:html|head|body|h1|p|table|tr|th|td|ul|li|pre|code|img)(?: (?:style|alt|src)="[^"<>]*")*>|<!doctype html>|<meta charset="utf-8">/g;

/** Everything about a mail that it must not have: other headers, markup or links of a stranger's. */
export function mailProblems(raw: string): string[] {
  const problems: string[] = [];
  const mail = readMail(raw);
  for (const line of raw.split('\r\n'))
    if (Buffer.byteLength(line) > 998 || /[\r\n]/.test(line)) problems.push('a line that is too long, or none');
  problems.push(...headerProblems(mail));
  problems.push(...controlProblems(mail.text.replaceAll('\n', '')));
  problems.push(...linkProblems(withoutFooter(mail.text)));
  if (mail.html !== undefined) problems.push(...htmlProblems(mail.html));
  return problems;
}

/** Headers that are not ours, or are there twice. */
export function headerProblems(mail: ReadMail): string[] {
  const names = mail.headers.map(([name]) => name);
  const problems = names.filter((name) => !HEADERS.includes(name)).map((name) => `a header that is not ours: ${name}`);
  if (new Set(names).size !== names.length) problems.push('a header is there twice');
  const subject = headerOf(mail, 'subject') ?? '';
  if (subject.trim() === '' || subject.length > 200) problems.push(`${subject.length} characters of subject`);
  return [...problems, ...controlProblems(subject)];
}

function htmlProblems(html: string): string[] {
  const text = html.replace(ELEMENTS, ' ');
  const problems = /[<>]/.test(text) ? [`markup: ${/[<>].{0,40}/.exec(text)?.[0]}`] : [];
  if (/&(?!(?:amp|lt|gt|quot);)/.test(text)) problems.push('an & that is not escaped');
  for (const [, source = ''] of html.matchAll(/src="([^"]*)"/g))
    if (!source.startsWith('cid:')) problems.push(`a picture from elsewhere: ${source}`);
  const shown = html.slice(html.indexOf('<body'), html.lastIndexOf('<p ')).replace(ELEMENTS, ' ');
  return [...problems, ...controlProblems(shown.replaceAll('\n', '')), ...linkProblems(shown)];
}

/** The footer names the server, as it is configured. */
function withoutFooter(text: string): string {
  return text.slice(0, text.lastIndexOf('\n-- \n'));
}

/** What mail clients make links of, but for mail addresses. */
export function linkProblems(text: string): string[] {
  const bare = text.replace(/[\w+-]+@[\w.-]*/g, ' ');
  const found = /[a-z]:\/\/|[\p{L}\p{N}]\.\p{L}{2,}/iu.exec(bare);
  return found === null ? [] : [`it becomes a link: ${JSON.stringify(bare.slice(found.index, found.index + 40))}`];
}
