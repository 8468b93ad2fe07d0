import { Writable } from 'node:stream';
import type { z } from 'zod';
import { isSecret } from '../../src/config/walk.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { Notifier, NotifierDefinition, NotifierTools } from '../../src/core/notifier.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { notifierDefinitions } from '../../src/notifiers/registry.ts';
import { type Behaviour, RECEIVER_KINDS, type Receiver, startReceiver } from '../support/receivers.ts';
import { RECEIVER_TOKEN } from '../support/service.ts';

/** Every notifier, less what its options are. */
export const definitions = notifierDefinitions as unknown as readonly NotifierDefinition[];

/** Those that send by HTTP: they all have a secret address. */
export const senders = definitions.filter(({ options }) => 'url' in options.shape);

export const NOW = Date.parse('2026-11-23T12:00:00Z');
export const fixedClock: Clock = { now: () => NOW, sleep: (ms, signal) => systemClock.sleep(ms, signal) };

/** What a config may hold for one notifier and nobody may ever see. */
export const SIGNING_KEY = `whsec_${Buffer.from('kEy-0a1b2c3d4e5f60718293').toString('base64')}`;
export const HEADER_SECRET = 'hEaDeR-77a1c0ffee';

/** Of any other kind: fit for a path and for a header. */
export const PLAIN_SECRET = 'pLaIn-5eC2eT0badf00d';

/** Options with every secret that the notifier can have, around an address; what else must be given is its example. */
export function optionsWithSecrets(definition: NotifierDefinition, url: string): Record<string, unknown> {
  return definition.options.parse(writtenOptions(definition, url));
}

/** The same, as they stand in a file. */
export function writtenOptions(definition: NotifierDefinition, url: string): Record<string, unknown> {
  const given = Object.entries(definition.options.shape).map(([key, field]) => {
    if (key === 'url') return [key, url];
    if (key === 'secret') return [key, SIGNING_KEY];
    if (key === 'headers') return [key, { 'x-api-key': HEADER_SECRET }];
    if (isSecret(field)) return [key, PLAIN_SECRET];
    return [key, field.isOptional() ? undefined : examplesOf(field)[0]];
  });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function examplesOf(field: z.ZodType): unknown[] {
  const examples = field.meta()?.examples;
  return Array.isArray(examples) ? examples : [];
}

export const SECRETS = [RECEIVER_TOKEN, SIGNING_KEY, SIGNING_KEY.slice('whsec_'.length), HEADER_SECRET, PLAIN_SECRET];

export interface Rig {
  definition: NotifierDefinition;
  notifier: Notifier;
  receiver: Receiver;
  close(): Promise<void>;
}

/** A notifier that sends by HTTP, with a receiver of its kind. */
export async function buildRig(
  definition: NotifierDefinition,
  behaviour: Behaviour = 'accept',
  compose: NotifierTools['compose'] = composeMessage,
): Promise<Rig> {
  const kind = RECEIVER_KINDS.find((each) => each === definition.type);
  if (kind === undefined) throw new Error(`test/support/receivers.ts has no rules for ${definition.type}`);
  const receiver = await startReceiver({ kind, behaviour, secret: SIGNING_KEY });
  const http = createHttpClient({ userAgent: 'cowbell/test' });
  const stdout = collectOutput();
  const notifier = definition.create(optionsWithSecrets(definition, receiver.url), {
    http,
    clock: fixedClock,
    stdout,
    mailer: createSmtpMailer(),
    compose,
  });
  return {
    definition,
    notifier,
    receiver,
    async close() {
      await http.close();
      await receiver.stop();
    },
  };
}

/** A terminal, or a pipe, that keeps what is written to it. */
export function collectOutput(options: { isTTY?: boolean } = {}) {
  let text = '';
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return Object.assign(stream, { isTTY: options.isTTY ?? false, text: () => text });
}
