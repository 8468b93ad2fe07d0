import { z } from 'zod';
import { secretText, secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { notifierDefinitions } from '../notifiers/registry.ts';
import { reputationDefinitions } from '../reputation/registry.ts';
import { watcherDefinitions } from '../watchers/registry.ts';
import { AutoUnbanOptions } from './auto-unban.ts';
import { commonNotifierOptions, Locale, type NotifierConfig, TimeZone } from './notifier-options.ts';

/** The one source of the configuration: types, checks, defaults, JSON Schema, example and documentation follow from it. */

const Name = z
  .string()
  .regex(/^[\w.-]{1,64}$/, 'expected letters, digits, `_`, `.` or `-`, 64 at most')
  .optional()
  .describe('Default: its type. Needed where there are two of one type');

const seconds = () => z.number().min(0).max(86_400);

/** Ports end at 65535. */
const LISTEN_ADDRESS = /^(\[[0-9a-f:]+\]|[\w.-]+):(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])$/i;

const RedisUrl = z
  .string()
  .refine(isRedisUrl, 'expected redis://host:port, rediss://host:port or unix:///path')
  .transform((value) => new Secret(value))
  .meta({ secret: true, examples: ['redis://redis-mailcow:6379'] });

function isRedisUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  return url.protocol === 'unix:' ? url.pathname.length > 1 : /^rediss?:$/.test(url.protocol) && url.hostname !== '';
}

function watcherSchema(definition: (typeof watcherDefinitions)[number]) {
  return z
    .strictObject({
      type: z.literal(definition.type),
      name: Name,
      grace_seconds: seconds().default(30).describe('A source that cannot be read for this long is told as down'),
      ...definition.options.shape,
    })
    .describe(definition.summary);
}

function checksOf(options: z.ZodObject): z.core.$ZodCheck<Record<string, unknown>>[] {
  return (options._zod.def.checks ?? []) as z.core.$ZodCheck<Record<string, unknown>>[];
}

function notifierSchema(definition: (typeof notifierDefinitions)[number]) {
  return (
    z
      .strictObject({
        type: z.literal(definition.type),
        name: Name,
        ...commonNotifierOptions(definition),
        ...definition.options.shape,
      })
      // What its options must have together.
      .check(...checksOf(definition.options))
      .describe(definition.summary)
  );
}

const [firstWatcher, ...otherWatchers] = watcherDefinitions.map(watcherSchema);
const [firstNotifier, ...otherNotifiers] = notifierDefinitions.map(notifierSchema);
type AnyObject = z.ZodObject<{ type: z.ZodLiteral<string> }>;

const Watcher = z.discriminatedUnion('type', [firstWatcher, ...otherWatchers] as unknown as [
  AnyObject,
  ...AnyObject[],
]);
/** One entry of `notifiers`. */
export const NotifierSchema = z.discriminatedUnion('type', [firstNotifier, ...otherNotifiers] as unknown as [
  AnyObject,
  ...AnyObject[],
]);

export const ConfigSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .max(253)
    .describe('Name of this mail server in alerts. Default: MAILCOW_HOSTNAME, else the host name'),
  state: z.string().min(1).describe('The ledger, a SQLite file. Default: COWBELL_STATE, else state/cowbell.db'),
  time_zone: TimeZone.default('UTC'),
  locale: Locale,
  docker: z
    .strictObject({
      socket: z
        .string()
        .min(1)
        .default('/var/run/docker.sock')
        .describe(
          'Path of the Docker socket, or tcp://host:port of a filtering proxy. COWBELL_DOCKER_SOCKET says it too',
        ),
      project: z.string().min(1).optional().describe('Compose project to look into. Default: COMPOSE_PROJECT_NAME'),
    })
    .prefault({})
    .describe('Where container logs are read'),
  redis: z
    .strictObject({
      url: RedisUrl.default(new Secret('redis://redis-mailcow:6379')).describe("Default: mailcow's Redis"),
      password: z
        .string()
        .transform((value) => new Secret(value))
        .meta({ secret: true })
        .optional()
        .describe("mailcow's REDISPASS"),
    })
    .optional()
    .describe('Redis, which knows what is banned. Default: used when REDISPASS is set'),
  mailcow_api: z
    .strictObject({
      url: secretUrl().describe("Address of mailcow's web interface, https://mail.example.org"),
      key: secretText().describe("A key of mailcow's API; read access is enough for watching"),
    })
    .optional()
    .describe("mailcow's API, for a host on which cowbell can reach neither Docker nor Redis"),
  watchers: z.array(Watcher).min(1).optional().describe('Default: all that are found'),
  notifiers: z.array(NotifierSchema).min(1).describe('Where alerts go; at least one'),
  bans: z
    .strictObject({
      retry_window_seconds: seconds().default(600).describe('Failures up to this long before a ban explain it'),
      confirm_within_ms: z
        .int()
        .min(100)
        .max(60_000)
        .default(5_000)
        .describe('How long a ban in the log waits for Redis to confirm it before it is told unconfirmed'),
      history_days: z.int().min(1).max(365).default(7).describe('Window of "third ban in 7 days"'),
    })
    .prefault({})
    .describe('What is told of a ban'),
  enrich: z
    .strictObject({
      files: z
        .array(z.string().min(1))
        .max(8)
        .default([])
        .describe(
          'MMDB files of countries and networks, by MaxMind, DB-IP, IPinfo or others; the first that knows decides',
        ),
      shipped: z
        .boolean()
        .default(true)
        .describe('Ask the database of countries that comes with cowbell where they know nothing'),
      hostnames: z
        .boolean()
        .default(false)
        .describe('Ask DNS for the names of offenders; those are told whose name leads back to the address'),
      hostnames_within_ms: z
        .int()
        .min(10)
        .max(5_000)
        .default(300)
        .describe('An alert waits for names so long at most, and then goes without'),
    })
    .prefault({})
    .describe('Where addresses are from: looked up on this machine, as alerts are made'),
  reputation: z
    .strictObject(
      Object.fromEntries(
        reputationDefinitions.map(({ type, options, summary }) => [type, options.optional().describe(summary)]),
      ),
    )
    .prefault({})
    .describe('Who is asked about addresses, where the policy has use for it'),
  auto_unban: AutoUnbanOptions,
  summaries: z
    .strictObject({
      rejects_seconds: z
        .int()
        .min(60)
        .max(604_800)
        .default(3_600)
        .describe('Refused connections and mails are told as one count in this time'),
      ratelimits_seconds: z
        .int()
        .min(10)
        .max(604_800)
        .default(600)
        .describe('An account that runs into a rate limit is told at once, and then as one count in this time'),
    })
    .prefault({})
    .describe('What comes by the thousand'),
  known_users: z
    .strictObject({
      days: z.int().min(1).max(365).default(30).describe('A login makes a user a known one for this long'),
      hash_names: z
        .boolean()
        .default(false)
        .describe('Keep a hash in place of the name: alerts then say how many of your users, not who'),
      most: z.int().min(100).max(1_000_000).default(50_000).describe('Accounts and networks that are remembered'),
    })
    .prefault({})
    .describe('Whose networks are told apart from those of strangers: who has logged in from where'),
  retention: z
    .strictObject({
      bans_days: z.int().min(1).max(3_650).default(90).describe('Bans that are over'),
      events_days: z.int().min(1).max(3_650).default(30).describe('Events that were delivered'),
      evidence_days: z.int().min(1).max(365).default(2).describe('Failed attempts'),
      evidence_rows: z
        .int()
        .min(1_000)
        .max(10_000_000)
        .default(200_000)
        .describe('Failed attempts, whatever their age'),
    })
    .prefault({})
    .describe('How long the ledger keeps what is done with; what is still owed to somebody is kept'),
  http: z
    .strictObject({
      listen: z
        .string()
        .regex(LISTEN_ADDRESS, 'expected host:port')
        .default('127.0.0.1:9464')
        .describe('Where /healthz, /readyz and /metrics answer. COWBELL_HTTP_LISTEN says it too'),
      token: secretText().optional().describe('Whoever reads /metrics must send it: `Authorization: Bearer …`'),
    })
    .prefault({})
    .describe('Health and metrics'),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      format: z
        .enum(['auto', 'json', 'pretty'])
        .default('auto')
        .describe('`auto`: pretty on a terminal, JSON elsewhere'),
      events: z.boolean().default(true).describe('Each event as a line, with the names that the webhook has'),
    })
    .prefault({})
    .describe("cowbell's own log"),
});

/** What every entry of `watchers` has; the rest of it are the options of its type. */
export interface WatcherConfig extends Record<string, unknown> {
  type: string;
  name: string;
  grace_seconds: number;
}

/** A configuration that has been checked and completed. */
export interface Config extends Omit<z.output<typeof ConfigSchema>, 'watchers' | 'notifiers' | 'reputation'> {
  /** The options of each source that is named, by its type. */
  reputation: Readonly<Record<string, Record<string, unknown> | undefined>>;
  watchers: WatcherConfig[] | undefined;
  notifiers: NotifierConfig[];
}
