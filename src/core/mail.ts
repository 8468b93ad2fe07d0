import type { Secret } from './secret.ts';

/** The mail server that takes what is sent. */
export interface MailServer {
  host: string;
  port: number;
  /** `tls`: from the start, as on port 465; `starttls`: demanded before all else; `none`: in the clear. */
  security: 'tls' | 'starttls' | 'none';
  /** The name that its certificate must have, where that is not `host`. */
  tlsName?: string | undefined;
  login?: { user: string; password: Secret } | undefined;
}

export interface MailAddress {
  name?: string;
  address: string;
}

export interface Mail {
  from: MailAddress;
  /** Those to send it to now; at least one. */
  to: readonly string[];
  /** What its header says it was sent to. */
  shownTo: readonly string[];
  subject: string;
  text: string;
  html?: string | undefined;
  /** In angle brackets. */
  messageId: string;
  /** The message that it belongs to, in angle brackets. */
  thread?: string | undefined;
  headers: Readonly<Record<string, string>>;
  /** Pictures that the HTML shows by `cid:`. */
  pictures: readonly { cid: string; name: string; png: Uint8Array }[];
  date: Date;
}

/** A recipient that the server did not take, while it may have taken the others. */
export interface RefusedRecipient {
  address: string;
  isTemporary: boolean;
  /** `SMTP 550: …`. */
  reason: string;
}

/** Mail out: certificates checked, bounded in time and in what is read back. */
export interface Mailer {
  /**
   * Resolves once the server has answered for each recipient and taken the mail for those that it did not refuse. Throws
   * `TransientError` or `PermanentError`, with `isPayload` where it was the content that was refused.
   */
  send(server: MailServer, mail: Mail, signal: AbortSignal): Promise<RefusedRecipient[]>;
}
