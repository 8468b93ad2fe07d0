/** What the addresses and headers that receivers are sent carry, and nobody may ever see. */
export const RECEIVER_TOKEN = 'tOkEn-4f9c2e7d1b';

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** How one service behaves. */
export interface Service {
  /** Of the address to configure, with the secret in it where the service has it there. */
  path: string;
  /** Where it takes messages, if that is not `path`. */
  takes?: RegExp;
  /** Where it is told the id of a delivery, if that is not `webhook-id`. */
  deliveryIdOf?(request: ReceivedRequest): string;
  /** Everything that it would not take, or would let act. */
  problems(request: ReceivedRequest): string[];
  accept(request: ReceivedRequest): Reply;
  refuse(request: ReceivedRequest): Reply;
  /** Its own answer to too many messages, with the wait where it says so. */
  limit(seconds: number): Reply;
}

export interface ReceivedRequest {
  /** ms since the epoch. */
  at: number;
  method: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** Of a form with files: its `payload_json`. */
  json: unknown;
  /** The files of a form, by their names in it. */
  files: ReadonlyMap<string, Uint8Array>;
  /** `webhook-id`: the same for every attempt at one delivery. */
  deliveryId: string;
  /** What of it the service would not take, or would let act. */
  problems: readonly string[];
  /** The status it was answered with; 0 where there was no answer. */
  status: number;
}

export function jsonProblems({ headers }: ReceivedRequest): string[] {
  return headers['content-type']?.startsWith('application/json') ? [] : ['content-type is not application/json'];
}

export function jsonReply(status: number, body: object, headers: Record<string, string> = {}): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

/** `Retry-After` in whole seconds. */
export function waitHeader(seconds: number): Record<string, string> {
  return { 'retry-after': String(Math.ceil(seconds)) };
}
