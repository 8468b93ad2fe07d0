import { PermanentError, TransientError } from '../core/errors.ts';
import type { Mail, Mailer, MailServer, RefusedRecipient } from '../core/mail.ts';
import { safeText } from '../core/text.ts';

const CONNECT_MS = 10_000;
const GREETING_MS = 15_000;
/** Without a word from the server. */
const SILENCE_MS = 30_000;
const LOOKUP_MS = 5_000;
/** From the connection to the answer. */
const WHOLE_MS = 60_000;
const CLOSE_MS = 1_000;
const ANSWER_BYTES = 65_536;
const REDACTED = '[secret]';

/** What nodemailer tells of a failure; its message and stack are not used, as they quote the server. */
interface Failure {
  code?: string | undefined;
  originalCode?: string | undefined;
  command?: string | undefined;
  response?: string | undefined;
  responseCode?: number | undefined;
  recipient?: string | undefined;
  rejectedErrors?: readonly Failure[] | undefined;
}

/** Mail by SMTP, through nodemailer, which is loaded with the first mail. A connection is opened for each mail. */
export function createSmtpMailer(): Mailer {
  return {
    async send(server, mail, signal) {
      const timeout = new AbortController();
      const timer = setTimeout(() => timeout.abort(), WHOLE_MS);
      try {
        return await submit(server, mail, AbortSignal.any([signal, timeout.signal]));
      } catch (error) {
        if (error instanceof PermanentError || error instanceof TransientError) throw error;
        if (signal.aborted) throw new TransientError('the mail was given up');
        if (timeout.signal.aborted) throw new TransientError(`the mail server took more than ${WHOLE_MS} ms`);
        throw errorOf(error as Failure, server);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

async function submit(server: MailServer, mail: Mail, signal: AbortSignal): Promise<RefusedRecipient[]> {
  const { createTransport } = await import('nodemailer');
  const { host, port, security, tlsName, login } = server;
  const transport = createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(tlsName !== undefined && { servername: tlsName }) },
    ...(login !== undefined && { auth: { user: login.user, pass: login.password.reveal() } }),
    // A server that offers no login must not be sent the mail without one.
    forceAuth: login !== undefined,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: GREETING_MS,
    socketTimeout: SILENCE_MS,
    dnsTimeout: LOOKUP_MS,
    socketCloseTimeout: CLOSE_MS,
    maxResponseSize: ANSWER_BYTES,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const from = { name: mail.from.name ?? '', address: mail.from.address };
  try {
    const { rejectedErrors = [] } = await transport.sendMail({
      from,
      to: mail.shownTo.map((address) => ({ name: '', address })),
      envelope: { from: mail.from.address, to: [...mail.to] },
      subject: mail.subject,
      text: mail.text,
      ...(mail.html !== undefined && { html: mail.html }),
      date: mail.date,
      messageId: mail.messageId,
      ...(mail.thread !== undefined && { inReplyTo: mail.thread, references: mail.thread }),
      headers: { ...mail.headers },
      attachments: mail.pictures.map(({ cid, name, png }) => ({
        cid,
        filename: name,
        content: Buffer.from(png),
        contentType: 'image/png',
        contentDisposition: 'inline' as const,
      })),
      disableFileAccess: true,
      disableUrlAccess: true,
      signal,
    });
    return refusalsOf(rejectedErrors, server);
  } catch (error) {
    const refused = refusalsOf((error as Failure).rejectedErrors ?? [], server);
    if (refused.length === mail.to.length) return refused;
    throw error;
  } finally {
    transport.close();
  }
}

function refusalsOf(errors: readonly Failure[], server: MailServer): RefusedRecipient[] {
  return errors.map((each) => ({
    address: each.recipient ?? '',
    isTemporary: !isForGood(each),
    reason: reasonOf(each, server),
  }));
}

/** https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1: 4yz may work later, 5yz never will. */
function isForGood({ responseCode = 0 }: Failure): boolean {
  return responseCode >= 500 && responseCode <= 599;
}

function errorOf(failure: Failure, server: MailServer): Error {
  if (failure.responseCode === undefined) {
    if (failure.code === 'EENVELOPE' || failure.code === 'EAUTH')
      return new PermanentError('the mail server cannot be told the addresses, or the login');
    return new TransientError(`no connection: ${failure.originalCode ?? failure.code ?? 'unknown'}`);
  }
  const reason = reasonOf(failure, server);
  if (!isForGood(failure)) return new TransientError(reason);
  return new PermanentError(reason, { payload: isAboutContent(failure) });
}

/** The answer to the content itself; and, for a size or a content that is announced, of a sender (RFC 1870, RFC 3463). */
function isAboutContent({ code, response = '' }: Failure): boolean {
  return code === 'EMESSAGE' || /^\d{3}[ -](5\.3\.4|5\.6\.\d)\b/.test(response);
}

/** `SMTP 550: …`, with nothing of the login in it, should the server quote that. */
function reasonOf({ response = '', responseCode, command = '' }: Failure, { login }: MailServer): string {
  const said = safeText(scrub(response.replace(/^\d{3}[ -]?/, ''), login), 200);
  const place = /^(AUTH|MAIL|RCPT|DATA|STARTTLS|EHLO)/.exec(command)?.[0] ?? '';
  return `SMTP ${responseCode ?? 'error'}${place === '' ? '' : ` to ${place}`}${said === '' ? '' : `: ${said}`}`;
}

function scrub(text: string, login: MailServer['login']): string {
  if (login === undefined) return text;
  const password = login.password.reveal();
  const base64 = (plain: string) => Buffer.from(plain).toString('base64');
  const forms = [base64(`\0${login.user}\0${password}`), base64(password), password];
  return forms.reduce((shown, form) => shown.replaceAll(form, REDACTED), text);
}
