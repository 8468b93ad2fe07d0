import { z } from 'zod';
import { PermanentError, TransientError } from '../core/errors.ts';
import type { Mail, MailAddress, MailServer } from '../core/mail.ts';
import { type Message, plainMessage, type Tone } from '../core/message.ts';
import type { Delivery, NotifierDefinition, NotifierTools } from '../core/notifier.ts';
import { secretText } from '../core/options.ts';
import { mailSubject, renderMail } from './mail-text.ts';

/** Longest text of a mail that was refused as it was. */
const PLAIN_TEXT = 3_000;

/** https://www.rfc-editor.org/rfc/rfc2156#section-5.3.6: how a mail client marks it. */
const IMPORTANCE: Record<Tone, 'high' | 'normal' | 'low'> = {
  own: 'high',
  ban: 'normal',
  end: 'low',
  cleared: 'normal',
  denied: 'normal',
  trouble: 'high',
  recovered: 'normal',
  quiet: 'low',
};

const PORTS: Record<MailServer['security'], number> = { tls: 465, starttls: 587, none: 25 };

/** What can stand in an envelope as it is, within https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1. */
const ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;
const SENDER = /^(?:([^\p{C}<>@"\\]{1,100}) <([^<>\s]+)>|([^<>\s]+))$/u;

const address = () => z.string().regex(ADDRESS, 'expected an address such as admin@example.org');

const Options = z
  .object({
    host: z
      .string()
      .regex(/^[\w.:-]{1,253}$/, 'expected the name or address of a host')
      .describe('The mail server, such as `postfix-mailcow` from inside of mailcow')
      .meta({ examples: ['mail.example.org'] }),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('Default: 465 for tls, 587 for starttls, 25 for none')
      .meta({ examples: [587] }),
    security: z
      .enum(['tls', 'starttls', 'none'])
      .default('starttls')
      .describe('Encrypted from the start, by STARTTLS before anything else, or not at all'),
    tls_name: z
      .string()
      .regex(/^[\w.-]{1,253}$/, 'expected the name of a host')
      .optional()
      .describe('The name in its certificate, where that is not `host`')
      .meta({ examples: ['mail.example.org'] }),
    user: z
      .string()
      .min(1)
      .optional()
      .describe('Login; needs `password`')
      .meta({ examples: ['cowbell@example.org'] }),
    password: secretText().optional().describe('Password of `user`; never sent without encryption'),
    from: z
      .string()
      .refine((text) => parseSender(text) !== undefined, 'expected an address, or `Name <address>`')
      .describe('Sender, as `address` or `Name <address>`')
      .meta({ examples: ['cowbell <cowbell@example.org>'] }),
    to: z
      .array(address())
      .min(1)
      .max(20)
      .describe('Recipients, 20 at most')
      .meta({ examples: [['admin@example.org']] }),
  })
  .superRefine(({ user, password, security }, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (user !== undefined && password === undefined) refuse('user', 'a user needs a password beside it');
    if (user === undefined && password !== undefined) refuse('password', 'a password needs a user beside it');
    if (password !== undefined && security === 'none')
      refuse('security', 'a password is not sent in the clear: expected tls or starttls');
  });

/** Mail by SMTP, through any server that takes it. */
export const emailNotifier: NotifierDefinition<typeof Options> = {
  type: 'email',
  summary: 'Mail, through any SMTP server',
  options: Options,
  audience: 'people',
  // Our own: who gets a mail for every few bans puts them into a folder unread.
  pace: { groupIntervalMs: 120_000, minIntervalMs: 1_000, maxEvents: 20_000 },
  create: (options, tools) => createEmailNotifier(options, tools),
};

function createEmailNotifier(options: z.output<typeof Options>, { mailer, clock, compose }: NotifierTools) {
  const { host, security, port = PORTS[security], tls_name: tlsName, user, password } = options;
  const login = user === undefined || password === undefined ? undefined : { user, password };
  const server: MailServer = { host, port, security, tlsName, login };
  const from = parseSender(options.from) as MailAddress;
  const domain = from.address.slice(from.address.lastIndexOf('@') + 1);
  /** The delivery that some recipients have already, and those that were put off. */
  let half: { id: string; to: readonly string[] } | undefined;

  const send = async (delivery: Delivery, message: Message, content: Content, signal: AbortSignal) => {
    const isRest = half?.id === delivery.id;
    const to = isRest ? (half?.to ?? options.to) : options.to;
    const thread = threadOf(delivery);
    const refused = await mailer.send(
      server,
      {
        ...content,
        from,
        to,
        shownTo: options.to,
        messageId: messageId(delivery.id, domain),
        thread: thread === undefined ? undefined : messageId(`ban.${thread}`, domain),
        headers: {
          // https://www.rfc-editor.org/rfc/rfc3834#section-5
          'auto-submitted': 'auto-generated',
          // https://learn.microsoft.com/en-us/openspecs/exchange_server_protocols/ms-oxcmail/
          'x-auto-response-suppress': 'All',
          importance: IMPORTANCE[message.tone],
        },
        date: new Date(clock.now()),
      },
      signal,
    );
    const putOff = refused.filter(({ isTemporary }) => isTemporary);
    const isPartly = isRest || refused.length < to.length;
    if (isPartly && putOff.length > 0) half = { id: delivery.id, to: putOff.map((each) => each.address) };
    if (putOff[0] !== undefined) throw new TransientError(putOff[0].reason);
    // Where somebody has it, one mailbox that is gone does not keep it from the others.
    if (!isPartly && refused[0] !== undefined) throw new PermanentError(refused[0].reason);
    half = undefined;
  };

  return {
    notify: async (delivery: Delivery, signal: AbortSignal) => {
      const message = await compose(delivery.events);
      return await send(delivery, message, await renderMail(message), signal);
    },
    notifyPlainly: async (delivery: Delivery, signal: AbortSignal) => {
      const message = await compose(delivery.events);
      const subject = mailSubject(message);
      const text = plainMessage(message, PLAIN_TEXT);
      return await send(delivery, message, { subject, text, pictures: [] }, signal);
    },
  };
}

type Content = Pick<Mail, 'subject' | 'text' | 'html' | 'pictures'>;

function parseSender(text: string): MailAddress | undefined {
  const [, name, inBrackets, alone] = SENDER.exec(text) ?? [];
  const found = inBrackets ?? alone ?? '';
  if (!ADDRESS.test(found)) return undefined;
  return { address: found, ...(name !== undefined && { name: name.trim() }) };
}

/** The same for each attempt, so that a mailbox can tell a repeat. */
function messageId(id: string, domain: string): string {
  return `<${id.replace(/[^\w.-]/g, '_').slice(0, 200)}@${domain}>`;
}

/** The ban that the one event is about: its begin and its end are shown as one conversation. */
function threadOf({ size, events }: Delivery): string | undefined {
  if (size !== 1) return undefined;
  for (const event of events) return 'ban' in event ? event.ban.id : undefined;
  return undefined;
}
