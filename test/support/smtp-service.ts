import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** As it was sent, lines ended by CRLF. */
  raw: string;
  user: string | undefined;
  isEncrypted: boolean;
}

/** An answer other than the usual one. */
export interface SmtpAnswer {
  code: number;
  text: string;
}

export interface SmtpBehaviour {
  /** Offers STARTTLS; `secure` is TLS from the start. Default: neither. */
  tls?: 'starttls' | 'secure';
  /** Demands a login. */
  login?: { user: string; password: string };
  onLogin?: (user: string, password: string) => SmtpAnswer | undefined;
  onFrom?: () => SmtpAnswer | undefined;
  onTo?: (address: string) => SmtpAnswer | undefined;
  onData?: (raw: string) => SmtpAnswer | undefined;
  /** Never answers what was sent. */
  hangs?: boolean;
}

export interface SmtpService {
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
  /** Logins that were tried. */
  readonly logins: readonly string[];
  behave(behaviour: SmtpBehaviour): void;
  stop(): Promise<void>;
}

const tlsFile = (name: string) => readFileSync(new URL(`../fixtures/tls/self-signed.${name}`, import.meta.url));

/** The certificate that the server shows, for whoever is to trust it. */
export const SMTP_CERTIFICATE = tlsFile('crt').toString('utf8');

/** A real SMTP server on loopback that takes mail for everybody. */
export async function startSmtpService(behaviour: SmtpBehaviour = {}, port = 0): Promise<SmtpService> {
  const mails: ReceivedMail[] = [];
  const logins: string[] = [];
  let now = behaviour;
  const refusal = (answer: SmtpAnswer | undefined) =>
    answer && Object.assign(new Error(answer.text), { responseCode: answer.code });
  const options: SMTPServerOptions = {
    secure: behaviour.tls === 'secure',
    key: tlsFile('key'),
    cert: tlsFile('crt'),
    disabledCommands: [...(behaviour.tls === 'starttls' ? [] : ['STARTTLS']), ...(behaviour.login ? [] : ['AUTH'])],
    authOptional: behaviour.login === undefined,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    onAuth({ username = '', password }, _session, done) {
      logins.push(username);
      const refused = refusal(now.onLogin?.(username, password ?? ''));
      if (refused) return done(refused);
      const isRight = username === now.login?.user && password === now.login.password;
      return isRight ? done(null, { user: username }) : done(Object.assign(new Error('wrong'), { responseCode: 535 }));
    },
    onMailFrom: (_address, _session, done) => done(refusal(now.onFrom?.()) ?? null),
    onRcptTo: ({ address }, _session, done) => done(refusal(now.onTo?.(address)) ?? null),
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8');
        const refused = refusal(now.onData?.(raw));
        if (!refused) {
          const { mailFrom, rcptTo } = session.envelope;
          mails.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            raw,
            user: session.user === undefined ? undefined : String(session.user),
            isEncrypted: session.secure,
          });
        }
        if (!now.hangs) done(refused ?? null);
      });
    },
  };
  const server = new SMTPServer({ ...options, closeTimeout: 1 });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    logins,
    behave(next) {
      now = { ...behaviour, ...next };
    },
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
