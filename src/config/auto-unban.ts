import { z } from 'zod';
import { type Network, parseNetwork } from '../core/network.ts';

const networks = () =>
  z.array(
    z
      .string()
      .refine((text) => parseNetwork(text) !== undefined, 'expected an address, or a network such as 192.0.2.0/24')
      .transform((text) => parseNetwork(text) as Network),
  );

/** Which bans are lifted: off unless a person says otherwise, and careful then. */
export const AutoUnbanOptions = z
  .strictObject({
    mode: z
      .enum(['off', 'suggest', 'dry_run', 'enforce'])
      .default('off')
      .describe(
        '`suggest`: say which bans it would lift, and how; `dry_run`: say so, to try the settings; `enforce`: lift',
      ),
    require: z.enum(['any', 'all']).default('all').describe('Whether one of a good score and known users is enough'),
    max_score: z.number().min(0).max(100).default(25).describe('The worst offender may have this reputation at most'),
    min_known_logins: z
      .int()
      .min(0)
      .default(3)
      .describe('Logins of your own users from inside the network; 0 asks for none'),
    known_user_max_age_days: z.int().min(1).max(365).default(14).describe('Logins before that do not count'),
    services: z.array(z.string()).default([]).describe('Only bans for failures on these: smtp, imap, sogo …'),
    countries: z
      .array(z.string().regex(/^[A-Z]{2}$/, 'expected two capitals, as ISO 3166-1 has them'))
      .default([])
      .describe('Only where all offenders are from these countries'),
    never: networks().default([]).describe('Never where it overlaps one of these networks'),
    always: networks()
      .default([])
      .describe('Whatever the score, the users, service, country and history, where it lies inside one of these'),
    max_prefix: z
      .strictObject({
        ipv4: z.int().min(8).max(32).default(24).describe('Prefix length'),
        ipv6: z.int().min(32).max(128).default(64).describe('Prefix length'),
      })
      .prefault({})
      .describe('Never for a network that is wider than this'),
    max_previous_bans: z
      .int()
      .min(0)
      .default(2)
      .describe('At most so many bans of the network before, in `bans.history_days`'),
    delay_seconds: z.int().min(0).max(3_600).default(30).describe('From the ban to the decision'),
    max_lifts_per_network: z
      .int()
      .min(1)
      .max(100)
      .default(1)
      .describe('In `lift_window_hours`, of all that overlaps it'),
    lift_window_hours: z
      .int()
      .min(1)
      .max(720)
      .default(24)
      .describe('What fails again in this time after a lift stays banned'),
    max_lifts_per_hour: z.int().min(1).max(10_000).default(10).describe('Of all networks together'),
    then: z
      .enum(['nothing', 'allowlist'])
      .default('nothing')
      .describe('`allowlist`: what is lifted for its known users, or by `always`, is not banned again for a while'),
    allowlist_hours: z.int().min(1).max(168).default(1).describe('With `then: allowlist`; cowbell takes it off again'),
    tell: z
      .enum(['lifts', 'all'])
      .default('lifts')
      .describe('`lifts`: tell what is lifted, and bans of own users that are not; `all`: every decision'),
  })
  .prefault({})
  .describe('Lifts bans that should not stand');

/** What the caps and the history go by has to be remembered for as long as they reach back. */
export function forgottenTooSoon(
  { mode, lift_window_hours }: z.output<typeof AutoUnbanOptions>,
  { historyDays, bansDays }: { historyDays: number; bansDays: number },
): string[] {
  if (mode === 'off') return [];
  const longest = Math.max(historyDays, Math.ceil(lift_window_hours / 24));
  return longest <= bansDays
    ? []
    : [`expected ${longest} or more: \`auto_unban\` goes by bans and lifts of so many days`];
}
