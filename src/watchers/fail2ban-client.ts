import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { plural, safeText } from '../core/text.ts';
import type { Batch, ContainerSelector, Cursor, Watcher, WatcherDefinition } from '../core/watcher.ts';
import { JailReader, type Jails } from './fail2ban-client-read.ts';
import { createFail2banClient, type Fail2banClient } from './fail2ban-client-run.ts';
import { type JailCounts, RECHECK_MS, Settling } from './fail2ban-client-settle.ts';

const Options = z.object({
  service: z.string().min(1).default('fail2ban').describe('Compose service of fail2ban'),
  container: z
    .string()
    .min(1)
    .optional()
    .describe('Name of a container that compose did not make, in place of the service'),
  poll_interval_seconds: z
    .int()
    .min(5)
    .max(3_600)
    .default(30)
    .describe('How often fail2ban-client is run; each time starts a Python in the container'),
  jails: z
    .array(z.string().regex(/^[^\s-]\S{0,63}$/, 'expected the name of a jail'))
    .min(1)
    .optional()
    .describe('Jails to tell of. Default: all'),
  socket: z
    .string()
    .startsWith('/')
    .max(200)
    .optional()
    .describe("fail2ban's own socket inside the container. Default: as its configuration says"),
});
type Options = z.output<typeof Options>;

/** fail2ban's bans by its own client, run in its container: for stacks whose log says nothing of them. */
export const fail2banClientWatcher: WatcherDefinition<typeof Options> = {
  type: 'fail2ban-client',
  summary: 'The bans of each jail, by fail2ban-client in the container: where the log cannot be read',
  options: Options,
  reads: 'container',
  byDefault: false,
  tellsOf: (jail) => jail !== 'netfilter',
  create: (name, options, { exec, clock, logger }) => {
    const client = createFail2banClient({ exec, selector: selectorOf(options), socket: options.socket });
    return new Fail2banClientWatcher({ name, options, client, clock, logger });
  },
  probe: async (options, { exec, clock }, signal) => {
    const client = createFail2banClient({ exec, selector: selectorOf(options), socket: options.socket });
    const { jails } = await new JailReader(client, options.jails, undefined).read(clock.now(), signal);
    requireJails(jails, options.jails);
    const each = [...jails].map(([name, bans]) => `${safeText(name, 64)} (${bans.size})`);
    return `fail2ban answers: ${plural(jails.size, 'jail')}${each.length === 0 ? '' : `: ${each.join(', ')}`}`;
  },
};

const TOLD_GARBAGE = 100;

/** When the state was last read, and how many bans there were in each jail. */
const Position = z.object({ at: z.number(), jails: z.record(z.string(), z.int().nonnegative()) });
type Position = z.infer<typeof Position>;

interface Setting {
  name: string;
  options: Options;
  client: Fail2banClient;
  clock: Clock;
  logger: Logger;
}

class Fail2banClientWatcher implements Watcher {
  readonly name: string;
  readonly authority = 'state';
  readonly #setting: Setting;
  readonly #told = new Set<string>();

  constructor(setting: Setting) {
    this.name = setting.name;
    this.#setting = setting;
  }

  async *watch(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    try {
      yield* this.#poll(readPosition(from), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async *#poll(last: Position | undefined, signal: AbortSignal): AsyncIterable<Batch> {
    const { clock, client, options } = this.#setting;
    const reader = new JailReader(client, options.jails, last?.at);
    const settling = new Settling(wantedOf(last?.jails ?? {}, options.jails));
    while (!signal.aborted) {
      const reading = await reader.read(clock.now(), signal);
      this.#tellGarbage(reading.garbage);
      this.#requireWanted(reading.jails, settling);
      const snapshots = settling.take(reading);
      const cursor = JSON.stringify({ at: reading.at, jails: settling.counts } satisfies Position);
      for (const [index, snapshot] of snapshots.entries()) {
        yield { observations: [], snapshot, ...(index === snapshots.length - 1 && { cursor }) };
      }
      const everyMs = options.poll_interval_seconds * 1_000;
      await clock.sleep(settling.isUnsettled ? Math.min(everyMs, RECHECK_MS) : everyMs, signal);
    }
  }

  /** One of several may be away; none at all, and never one, is a mistake in the configuration. */
  #requireWanted(jails: Jails, settling: Settling): void {
    const { jails: wanted } = this.#setting.options;
    if (Object.keys(settling.counts).length === 0) requireJails(jails, wanted);
    for (const name of wanted ?? []) if (!jails.has(name)) this.#tellOnce(name, 'fail2ban has no such jail now');
  }

  #tellGarbage(garbage: readonly string[]): void {
    for (const each of garbage)
      this.#tellOnce(each, 'fail2ban tells of something that is neither a jail nor a network');
  }

  #tellOnce(what: string, message: string): void {
    const entry = safeText(what, 100);
    if (this.#told.size >= TOLD_GARBAGE || this.#told.has(entry)) return;
    this.#told.add(entry);
    this.#setting.logger.warn({ entry }, message);
  }
}

function selectorOf({ service, container }: Options): ContainerSelector {
  return container === undefined ? { service } : { container };
}

function requireJails(jails: Jails, wanted: readonly string[] | undefined): void {
  if (wanted === undefined || wanted.some((name) => jails.has(name))) return;
  throw new TransientError(`fail2ban has none of the jails that are configured: ${wanted.join(', ')}`);
}

/** What is no longer asked for is not gone. */
function wantedOf(counts: JailCounts, wanted: readonly string[] | undefined): JailCounts {
  return Object.fromEntries(Object.entries(counts).filter(([name]) => wanted?.includes(name) ?? true));
}

function readPosition(cursor: Cursor | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  try {
    return Position.parse(JSON.parse(cursor));
  } catch {
    return undefined;
  }
}
