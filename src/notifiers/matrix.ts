import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { ICONS, type Line, type Message, plainMessage, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretText, secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { cutText } from '../core/text.ts';
import { fitLine, joinUpTo } from './fit-lines.ts';
import { escapeHtml, renderHtmlLine } from './html-text.ts';
import { withoutLinks } from './push-text.ts';
import { readAnswer } from './read-answer.ts';

/** Our own bounds; an event has 65,536 bytes: https://spec.matrix.org/latest/client-server-api/#size-limits */
const HTML = 10_000;
const TITLE = 1_000;
const EVIDENCE = 2_000;
const PLAIN_TEXT = 3_000;
/** Of what is answered with 400, those that are about the event: https://spec.matrix.org/latest/client-server-api/#standard-error-response */
const ABOUT_EVENT: readonly string[] = ['M_BAD_JSON', 'M_NOT_JSON', 'M_TOO_LARGE'];

/** A notice makes no sound by the rules that every account begins with: https://spec.matrix.org/latest/client-server-api/#mnotice */
const TYPES: Record<Tone, 'm.text' | 'm.notice'> = {
  own: 'm.text',
  ban: 'm.text',
  end: 'm.notice',
  cleared: 'm.text',
  denied: 'm.text',
  trouble: 'm.text',
  recovered: 'm.notice',
  quiet: 'm.notice',
};

const Options = z.object({
  url: secretUrl().describe('Address of the home server, https://matrix.example.org'),
  token: secretText()
    .refine((token) => /^[\x21-\x7e]+$/.test(token.reveal()), 'expected an access token')
    .describe('Access token of the account that writes'),
  room_id: z
    .string()
    .regex(/^![^\s/?#]{1,254}$/, 'expected the internal id of a room, which begins with !')
    .describe('Internal id of the room, not encrypted, of which the account is a member')
    .meta({ examples: ['!abcdefgh:example.org'] }),
});

/** A Matrix room: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid */
export const matrixNotifier: NotifierDefinition<typeof Options> = {
  type: 'matrix',
  summary: 'A Matrix room, by an account of your own',
  options: Options,
  audience: 'people',
  // Synapse lets 10 through, then one in 5 seconds:
  // https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#rc_message
  pace: { groupIntervalMs: 15_000, minIntervalMs: 5_000, maxEvents: 20_000 },
  create: ({ url, token, room_id }, { http, clock, compose }) => {
    const base = url.reveal().replace(/\/+$/, '');
    const put = async (id: string, content: object, signal: AbortSignal) => {
      // The server takes a transaction once: a repeat is answered as the first was.
      const path = ['rooms', room_id, 'send', 'm.room.message', id].map(encodeURIComponent).join('/');
      const response = await http.send(
        {
          method: 'PUT',
          url: new Secret(`${base}/_matrix/client/v3/${path}`),
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token.reveal()}` },
          // https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions: nobody is called.
          body: JSON.stringify({ ...content, 'm.mentions': {} }),
        },
        signal,
      );
      requireSent(response, clock.now());
    };
    return {
      notify: async ({ id, events }, signal) => put(id, renderMatrix(await compose(events)), signal),
      notifyPlainly: async ({ id, events }, signal) => {
        const message = await compose(events);
        return put(id, { msgtype: TYPES[message.tone], body: plainBody(message) }, signal);
      },
    };
  },
};

const Answer = z.object({
  event_id: z.string().optional(),
  errcode: z.string().optional(),
});

function requireSent(response: HttpResponse, now: number): void {
  const { event_id, errcode } = readAnswer(Answer, response.body) ?? {};
  if (response.status === 400 && errcode !== undefined && !ABOUT_EVENT.includes(errcode)) {
    throw new PermanentError(`HTTP 400: ${/^[A-Z_.]{1,60}$/.test(errcode) ? errcode : 'an unknown error'}`);
  }
  requireAccepted(response, now);
  if (event_id === undefined) throw new PermanentError("the answer is not a home server's");
}

function plainBody(message: Message): string {
  return withoutLinks(plainMessage(message, PLAIN_TEXT));
}

/** A message as the content of an event, as text and as HTML: https://spec.matrix.org/latest/client-server-api/#mroommessage-msgtypes */
export function renderMatrix(message: Message): object {
  // A client makes no link of what is code; it might of what is bold.
  const strong = (line: Line) => renderHtmlLine(line, 'strong');
  const title = fitLine([`${ICONS[message.tone]} `, ...message.title], TITLE, strong);
  const footer = `<code>${escapeHtml(cutText(message.footer, 200))}</code>`;
  const evidence = joinUpTo(message.evidence.map(escapeHtml), EVIDENCE);
  const end = evidence === '' ? footer : `<pre>${evidence}</pre>${footer}`;
  const lines = [
    ...message.lead.map((line) => renderHtmlLine(line)),
    ...message.facts.map(({ label, value }) => `<strong>${escapeHtml(label)}</strong>: ${renderHtmlLine(value)}`),
    ...message.notes.map((note) => renderHtmlLine(['⚠ ', ...note])),
    ...message.items.map((item) => renderHtmlLine(['• ', ...item])),
  ];
  const text = joinUpTo(lines, HTML - title.length - end.length).replaceAll('\n', '<br>');
  return {
    msgtype: TYPES[message.tone],
    body: plainBody(message),
    format: 'org.matrix.custom.html',
    formatted_body: [title, text, end].filter((part) => part !== '').join('<br>'),
  };
}
