import type { Ban, BanEvent } from '../core/event.ts';
import { UNKNOWN } from '../core/metrics.ts';
import type { Tallies } from './tallies.ts';

/** Counts an event, and what it tells of. */
export function tallyEvent(tallies: Tallies, event: BanEvent): void {
  tallies.add('cowbell_events_total', { type: event.type });
  if (event.test) return;
  if (event.type === 'ban.started') {
    const { jail, known_users } = event.ban;
    tallies.add('fail2ban_bans_total', { jail, ...originOf(event.ban) });
    if (known_users.length > 0) tallies.add('fail2ban_known_user_bans_total', { jail });
  } else if (event.type === 'ban.ended') {
    tallies.add('fail2ban_unbans_total', { jail: event.ban.jail, reason: event.ban.end_reason ?? UNKNOWN });
  } else if (event.type === 'bans.cleared') {
    const { jail, count } = event.cleared;
    tallies.add('fail2ban_unbans_total', { jail, reason: 'cleared' }, count);
  }
}

/** The service with most attempts, and the country of the worst address. */
function originOf({ services, offenders }: Ban): { service: string; country: string } {
  return { service: services[0] ?? UNKNOWN, country: offenders[0]?.country ?? UNKNOWN };
}
