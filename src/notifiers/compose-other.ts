import type { BanEvent } from '../core/event.ts';
import { code, footer, joinLines, type Line, type Message, moment, words } from '../core/message.ts';
import { formatDuration, plural } from '../core/text.ts';
import { describeRateLimit, describeRejects } from './compose-counts.ts';
import { describeDigest } from './compose-digest.ts';

/** An event that is not about one ban. */
export type OtherEvent = Exclude<BanEvent, { ban: unknown }>;

/** A message about anything but one ban. */
export function composeOther(event: OtherEvent): Message {
  const message = describeOther(event);
  return {
    facts: [],
    notes: [],
    items: [],
    evidence: [],
    footer: footer(event.host),
    at: Date.parse(event.at),
    ...message,
    title: [...(event.test ? ['Test: '] : []), ...message.title],
  };
}

function networksFact(list: readonly string[], count: number): Message['facts'] {
  if (list.length === 0) return [];
  const rest = count - Math.min(list.length, 10);
  const more = rest > 0 ? [[plural(rest, 'other')]] : [];
  return [
    { label: 'Networks', value: joinLines([...list.slice(0, 10).map((network): Line => [code(network)]), ...more]) },
  ];
}

type Told = Pick<Message, 'tone' | 'title' | 'lead'> & Partial<Message>;

function describeOther(event: OtherEvent): Told {
  switch (event.type) {
    case 'bans.cleared': {
      const { count, reason, jail } = event.cleared;
      return {
        tone: 'cleared',
        title: [`${plural(count, 'ban')} dropped at once`],
        lead: [['Every ban of ', words(jail, 64), ' is gone', ...(reason === undefined ? [] : [': ', words(reason)])]],
        facts: networksFact(event.cleared.networks, count),
      };
    }
    case 'bans.adopted': {
      const { count, denylisted, source } = event.adopted;
      const denied = denylisted > 0 ? ` and ${plural(denylisted, 'denylist entry', 'denylist entries')}` : '';
      return {
        tone: 'quiet',
        title: [`Watching, with ${plural(count, 'ban')} standing`],
        lead: [['First look at ', words(source, 64), `: ${plural(count, 'ban')}${denied} stood before.`]],
        facts: networksFact(event.adopted.networks, count),
      };
    }
    case 'denylist.added':
      return {
        tone: 'denied',
        title: ['Denylisted ', code(event.denylist.network)],
        lead: [['It is refused until a person removes it from the denylist.']],
      };
    case 'denylist.removed':
      return { tone: 'end', title: ['No longer denylisted: ', code(event.denylist.network)], lead: [] };
    case 'allowlist.added': {
      const { network, until } = event.allowlist;
      const title = ['Allowlisted ', code(network)];
      const lead = 'It will not be banned, whatever it does, until';
      return until === undefined
        ? { tone: 'trouble', title, lead: [[`${lead} a person removes it from the allowlist.`]] }
        : { tone: 'quiet', title, lead: [[`${lead} `, moment(Date.parse(until)), ': cowbell removes it then.']] };
    }
    case 'allowlist.removed':
      return { tone: 'quiet', title: ['No longer allowlisted: ', code(event.allowlist.network)], lead: [] };
    case 'reject.summary':
      return describeRejects(event);
    case 'ratelimit.applied':
      return describeRateLimit(event);
    case 'source.down': {
      const { name, reason, since } = event.source;
      return {
        tone: 'trouble',
        title: [words(name, 64), ' is down'],
        lead: [
          ...(reason === '' ? [] : [[words(reason)]]),
          ['Bans may go untold until it is back; what can be caught up then, will be.'],
        ],
        facts: [{ label: 'Last well', value: [moment(Date.parse(since))] }],
      };
    }
    case 'source.up': {
      const { name, reason, since, caught_up } = event.source;
      const lasted = formatDuration(Date.parse(event.at) - Date.parse(since));
      const caught = caught_up === undefined ? '' : `, ${plural(caught_up, 'line')} caught up`;
      return {
        tone: 'recovered',
        title: [words(name, 64), ' is up again'],
        lead: [[`It was down for ${lasted}${caught}.`]],
        facts: reason === '' ? [] : [{ label: 'Reason', value: [words(reason)] }],
      };
    }
    case 'notifier.down': {
      const { name, reason, since, owed } = event.notifier;
      return {
        tone: 'trouble',
        title: ['Alerts do not reach ', code(name)],
        lead: [
          ...(reason === '' ? [] : [[words(reason)]]),
          [`${plural(owed, 'event waits', 'events wait')} for it; all are kept until it takes them.`],
        ],
        facts: [{ label: 'Last well', value: [moment(Date.parse(since))] }],
      };
    }
    case 'notifier.up': {
      const { name, since } = event.notifier;
      const lasted = formatDuration(Date.parse(event.at) - Date.parse(since));
      return {
        tone: 'recovered',
        title: ['Alerts reach ', code(name), ' again'],
        lead: [[`It took none for ${lasted}; what it missed was delivered.`]],
      };
    }
    case 'notifier.refused': {
      const { name, reason, events } = event.refused;
      return {
        tone: 'trouble',
        title: [code(name), ' refused an alert'],
        lead: [[words(reason)], [`${plural(events, 'event')} set aside: \`cowbell outbox\` shows and retries them.`]],
      };
    }
    case 'digest':
      return describeDigest(event);
  }
}

/** An event in one line, for a list. */
export function eventLine(event: OtherEvent): Line {
  const { title, lead } = describeOther(event);
  return [...title, ...(lead[0] === undefined ? [] : [' — ', ...lead[0]])];
}
