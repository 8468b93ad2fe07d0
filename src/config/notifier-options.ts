import { z } from 'zod';
import { type BanEventType, DEFAULT_EVENT_TYPES, ROUTED_EVENT_TYPES } from '../core/event.ts';
import { parseNetwork } from '../core/network.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { WEEKDAYS } from '../core/schedule.ts';
import { TEMPLATE_KINDS, type TemplateKind } from '../notifiers/message-templates.ts';

/** What every notifier can be told: which events, when, and how many at once. */

const eventType = () => z.enum(ROUTED_EVENT_TYPES as [BanEventType, ...BanEventType[]]);

const network = () =>
  z
    .string()
    .refine((text) => parseNetwork(text) !== undefined, 'expected an address, or a network such as 192.0.2.0/24');

const country = () => z.string().regex(/^[A-Z]{2}$/, 'expected two capitals, as ISO 3166-1 has them');

const timeOfDay = () => z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "expected a time of the day in quotes, '22:00'");

export const TimeZone = z
  .string()
  .refine(isTimeZone, 'expected a time zone such as Europe/Berlin')
  .describe('Time zone of times in messages. Default: TZ, else UTC');

export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

export const Locale = z
  .string()
  .refine(isLocale, 'expected a language tag such as de-DE')
  .optional()
  .describe('How times in messages are written, by language tag. Default: as ISO 8601 has them');

function isLocale(tag: string): boolean {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(tag).length > 0;
  } catch {
    return false;
  }
}

const Filter = z
  .strictObject({
    jails: z.array(z.string()).default([]).describe('Bans of these jails'),
    services: z.array(z.string()).default([]).describe('Bans for failures on one of these: smtp, imap, sogo …'),
    networks: z.array(network()).default([]).describe('Bans inside of these networks'),
    except_networks: z.array(network()).default([]).describe('But not inside of these'),
    countries: z.array(country()).default([]).describe('Bans of addresses from these countries, or from unknown ones'),
    except_countries: z.array(country()).default([]).describe('But not from these'),
    known_users: z
      .enum(['any', 'only', 'never'])
      .default('any')
      .describe('Bans of networks that your own users log in from'),
    min_bans: z.int().min(1).default(1).describe('Bans of networks that were banned so often in `bans.history_days`'),
    min_score: z.number().min(0).max(100).optional().describe('Bans with this reputation or worse, or with none known'),
    max_score: z
      .number()
      .min(0)
      .max(100)
      .optional()
      .describe('Bans with this reputation or better, or with none known'),
  })
  .prefault({})
  .describe('Which bans it is sent: all conditions must hold. Other events are not touched by it');

const Quiet = z
  .strictObject({
    from: timeOfDay()
      .describe('When they begin')
      .meta({ examples: ["'22:00'"] }),
    to: timeOfDay()
      .describe('When they end, on the next day where that is earlier')
      .meta({ examples: ["'07:00'"] }),
    days: z
      .array(z.enum(WEEKDAYS))
      .min(1)
      .default([...WEEKDAYS])
      .describe('Days on which they begin'),
    urgent: z
      .array(z.union([z.literal('own_users'), eventType()]))
      .default(['own_users', 'source.down', 'notifier.down'])
      .describe('What is told all the same: kinds of events, and `own_users` for bans of their networks'),
  })
  .optional()
  .describe('Hours in which alerts are held back; they are told as one message at the end. In `time_zone`');

const DigestOptions = z
  .strictObject({
    every: z
      .enum(['day', 'week'])
      .describe('How often')
      .meta({ examples: ['day'] }),
    at: timeOfDay().default('08:00').describe('When'),
    on: z.enum(WEEKDAYS).default('monday').describe('On which day, where it is weekly'),
  })
  .optional()
  .describe('A message about the day or the week: totals, trend, worst networks, own users. In `time_zone`');

const Templates = z
  .partialRecord(
    z.enum(TEMPLATE_KINDS as [TemplateKind, ...TemplateKind[]]),
    z.strictObject({ title: z.string().max(20_000).optional(), body: z.string().max(20_000).optional() }),
  )
  .optional()
  .describe('Words of your own, in Liquid, by kind of event or for a `group` of many: a `title`, a `body`, or both')
  .meta({ examples: ["{ban.started: {title: 'Banned {{ ban.network }}'}}"] });

/** The options that all notifiers have, with the defaults of one kind. */
export function commonNotifierOptions({ pace, events }: Pick<NotifierDefinition, 'pace' | 'events'>) {
  return {
    events: z
      .array(eventType())
      .min(1)
      .default([...(events ?? DEFAULT_EVENT_TYPES)])
      .describe('Kinds of events that it is sent'),
    filter: Filter,
    mute: z.array(network()).default([]).describe('Networks that nothing is told of'),
    group_interval_ms: z
      .int()
      .min(0)
      .max(86_400_000)
      .default(pace.groupIntervalMs)
      .describe('After a message, what follows within this time goes as one message at its end. 0 for programs'),
    min_group_size: z
      .int()
      .min(1)
      .max(100_000)
      .default(1)
      .describe('Tell only of crowds: fewer events than this within a group interval are not sent at all'),
    max_age_seconds: z
      .int()
      .min(60)
      .optional()
      .describe('Give up what could not be delivered for so long. Default: never'),
    quiet_hours: Quiet,
    digest: DigestOptions,
    templates: Templates,
    time_zone: TimeZone.optional().describe('Time zone of its quiet hours, digests and messages. Default: that of all'),
    locale: Locale.describe('How times in its messages are written. Default: as for all'),
  };
}

type Common = z.output<z.ZodObject<ReturnType<typeof commonNotifierOptions>>>;

/** What every entry of `notifiers` has; the rest of it are the options of its type. */
export interface NotifierConfig extends Record<string, unknown>, Common {
  type: string;
  name: string;
}
