import { systemClock } from '../core/clock.ts';
import { messageOf, TransientError } from '../core/errors.ts';
import type { BanEvent } from '../core/event.ts';
import type { HttpClient, HttpRequest } from '../core/http.ts';
import type { Mailer } from '../core/mail.ts';
import type { Notifier } from '../core/notifier.ts';
import { formatCount, plural } from '../core/text.ts';
import { type AddCommand, type CliContext, CONFIG_OPTION, CommandFailure } from './command.ts';
import { createRedactor } from './redact-secrets.ts';

/** How often one sample is tried where a service asks for patience. */
const TRIES = 3;
/** Longest pause that a person at a terminal is asked for. */
const LONGEST_PAUSE_MS = 30_000;

interface Options {
  config?: string;
  only?: string;
  render?: string;
}

export const addRing: AddCommand = (program, context) => {
  program
    .command('ring')
    .description('send a sample of every kind of event through the notifiers, or through one of them')
    .argument('[name]', 'name of a notifier')
    .option(...CONFIG_OPTION)
    .option('--only <kind>', 'one kind of event alone, such as ban.started')
    .option('--render <name>', 'print what this notifier would send, and send nothing')
    .action(async (name: string | undefined, options: Options) => {
      const { loadConfig } = await import('../config/load.ts');
      const { buildNotifier, paceOf } = await import('../assemble.ts');
      const { createHttpClient } = await import('../http/client.ts');
      const { createSmtpMailer } = await import('../mail/smtp.ts');
      const { sampleEvents } = await import('../notifiers/sample-events.ts');
      const { VERSION } = await import('../version.ts');
      const config = loadConfig({ file: options.config, env: context.env });
      const wanted = options.render ?? name;
      const chosen = config.notifiers.filter((each) => wanted === undefined || each.name === wanted);
      if (chosen.length === 0) {
        const known = config.notifiers.map((each) => each.name).join(', ');
        throw new CommandFailure(`there is no notifier named "${wanted}"; there are ${known}`);
      }
      const samples = chooseSamples(sampleEvents(config.host, systemClock.now()), options.only);
      const tools = { clock: systemClock, stdout: context.stdout };
      if (options.render !== undefined) {
        for (const each of chosen) {
          const redact = createRedactor(each);
          const print = (text: string) => void context.stdout.write(redact(text));
          const printers = { http: createPrinter(print), mailer: createMailPrinter(print) };
          for (const event of samples) {
            context.stdout.write(`# ${event.type}\n`);
            await notify(buildNotifier(each, config, { ...tools, ...printers }), event, context).catch(() => {});
          }
        }
        return;
      }
      const http = createHttpClient({ userAgent: `cowbell/${VERSION}` });
      const mailer = createSmtpMailer();
      let failed = 0;
      try {
        for (const each of chosen) {
          const notifier = buildNotifier(each, config, { ...tools, http, mailer });
          failed += await ringOne(each.name, notifier, samples, paceOf(each).minIntervalMs, context);
        }
      } finally {
        await http.close();
      }
      if (failed > 0) throw new CommandFailure(`${failed} of ${chosen.length} could not be reached`);
    });
};

function chooseSamples(samples: readonly BanEvent[], only: string | undefined): BanEvent[] {
  const chosen = samples.filter(({ type }) => only === undefined || type === only);
  if (chosen.length > 0) return chosen;
  const known = [...new Set(samples.map(({ type }) => type))].join(', ');
  throw new CommandFailure(`there is no kind of event named "${only}"; there are ${known}`);
}

/** Sends the samples one by one, no faster than the service allows; returns 1 if it took not all of them. */
async function ringOne(
  name: string,
  notifier: Notifier,
  samples: readonly BanEvent[],
  pauseMs: number,
  context: CliContext,
): Promise<0 | 1> {
  const startedAt = systemClock.now();
  let slowestMs = 0;
  for (const [index, event] of samples.entries()) {
    const restMs = Math.min((notifier.restUntil?.() ?? 0) - systemClock.now(), LONGEST_PAUSE_MS);
    if (index > 0) await systemClock.sleep(Math.max(pauseMs, restMs), context.signal);
    const sentAt = systemClock.now();
    try {
      await notify(notifier, event, context);
    } catch (error) {
      context.stdout.write(`${name}: failed at ${event.type}: ${messageOf(error)}\n`);
      return 1;
    }
    slowestMs = Math.max(slowestMs, systemClock.now() - sentAt);
  }
  const seconds = ((systemClock.now() - startedAt) / 1000).toFixed(1);
  const count = plural(samples.length, 'sample');
  context.stdout.write(`${name}: ${count} accepted in ${seconds} s, the slowest after ${formatCount(slowestMs)} ms\n`);
  return 0;
}

async function notify(notifier: Notifier, event: BanEvent, { signal }: CliContext): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await notifier.notify({ id: `ring-${event.id}`, size: 1, events: [event] }, signal);
    } catch (error) {
      const pauseMs = error instanceof TransientError ? error.retryAfterMs : undefined;
      if (pauseMs === undefined || pauseMs > LONGEST_PAUSE_MS || attempt === TRIES || signal.aborted) throw error;
      await systemClock.sleep(pauseMs, signal);
    }
  }
}

/** In place of the network: prints what would be sent, without what is secret. */
function createPrinter(print: (text: string) => void): HttpClient {
  return {
    async send(request) {
      const type = request.headers?.['content-type'] ?? 'application/octet-stream';
      const { origin } = new URL(request.url.reveal());
      print(`${request.method ?? 'POST'} ${origin}/… (${type})\n${await bodyOf(request, type)}\n\n`);
      return { status: 200, headers: {}, body: 'ok' };
    },
  };
}

function createMailPrinter(print: (text: string) => void): Mailer {
  return {
    async send({ host, port }, { from, shownTo, subject, messageId, text, html, pictures }) {
      print(`MAIL ${host}:${port}\nFrom: ${from.address}\nTo: ${shownTo.join(', ')}\n`);
      print(`Subject: ${subject}\nMessage-ID: ${messageId}\n\n${text}\n${html ?? ''}\n`);
      for (const { name, png } of pictures) print(`${name}, ${formatCount(png.length)} bytes\n`);
      return [];
    },
  };
}

async function bodyOf({ body = '' }: HttpRequest, type: string): Promise<string> {
  if (typeof body === 'string') return indented(body);
  if (!type.startsWith('multipart/form-data')) return `${formatCount(body.length)} bytes`;
  const form = await new Response(Uint8Array.from(body), { headers: { 'content-type': type } }).formData();
  const parts = [...form].map(([name, value]) =>
    typeof value === 'string'
      ? `${name}: ${indented(value)}`
      : `${name}: ${value.name}, ${formatCount(value.size)} bytes`,
  );
  return parts.join('\n');
}

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}
