import type { BanEvent } from '../core/event.ts';
import { code, type Line, type Message, moment } from '../core/message.ts';
import { sparkline } from '../core/sparkline.ts';
import { formatCount, plural } from '../core/text.ts';
import { whoOf } from './compose-ban.ts';
import { type Counts, counted } from './compose-counts.ts';

type Digest = Extract<BanEvent, { type: 'digest' }>['digest'];

/** A day or a week in one message: how many, whether it is more than before, who was worst, whom of ours it hit. */
export function describeDigest({ digest }: Extract<BanEvent, { type: 'digest' }>): Counts {
  const { totals, before, period } = digest;
  const own = totals.own_users;
  return {
    // It tells of what was told as it happened: nobody is woken for it.
    tone: 'quiet',
    title: [
      `${period === 'day' ? 'The day' : 'The week'}: ${plural(totals.bans, 'ban')}${trend(totals.bans, before?.bans)}`,
    ],
    lead: [
      [
        `${plural(totals.networks, 'network')}, ${plural(totals.attempts, 'failed attempt')}, `,
        `${plural(totals.rejects, 'reject')}. ${formatCount(digest.standing)} banned at its end.`,
      ],
      ...(own > 0 ? [[`${plural(own, 'ban')} hit your own users.`]] : []),
    ],
    facts: factsOf(digest),
    items: digest.offenders.map(
      ({ network, bans, attempts }): Line => [
        whoOf(network),
        `: ${plural(bans, 'ban')}, ${plural(attempts, 'attempt')}`,
      ],
    ),
    chart: {
      values: digest.bans_over_time,
      ...(digest.bans_over_time_before !== undefined && { previous: digest.bans_over_time_before }),
      caption: `Bans by the ${period === 'day' ? 'hour' : 'day'}, ${formatCount(highestOf(digest))} at most${before === undefined ? '' : `; grey: the ${period} before`}`,
    },
  };
}

function factsOf(digest: Digest): Message['facts'] {
  const { known_users } = digest;
  const facts: Message['facts'] = [
    { label: 'From', value: [moment(Date.parse(digest.from))] },
    { label: 'To', value: [moment(Date.parse(digest.to))] },
    { label: digest.period === 'day' ? 'By the hour' : 'By the day', value: [sparkline(digest.bans_over_time)] },
    { label: 'Services', value: counted(digest.services) },
    { label: 'Countries', value: counted(digest.countries) },
    // One jail, as mailcow has, is no news.
    { label: 'Jails', value: digest.jails.length > 1 ? counted(digest.jails) : [] },
    {
      label: 'Own users',
      value: known_users.flatMap(
        ({ name, count }, index): Line => [...(index > 0 ? [', '] : []), code(name), ` ×${formatCount(count)}`],
      ),
    },
    { label: 'Ended', value: counted(digest.end_reasons) },
    { label: 'Policy', value: counted(digest.decisions) },
  ];
  return facts.filter(({ value }) => value.length > 0);
}

function highestOf({ bans_over_time, bans_over_time_before = [] }: Digest): number {
  return Math.max(0, ...bans_over_time, ...bans_over_time_before);
}

/** ` (+31 % on the one before)`. */
function trend(now: number, before: number | undefined): string {
  if (before === undefined) return '';
  if (before === 0) return now === 0 ? '' : ' (none the one before)';
  const percent = Math.round(((now - before) / before) * 100);
  if (percent === 0) return ' (as the one before)';
  return ` (${percent > 0 ? '+' : '−'}${formatCount(Math.abs(percent))} % on the one before)`;
}
