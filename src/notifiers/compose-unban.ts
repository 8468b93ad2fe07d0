import type { BanEvent } from '../core/event.ts';
import { code, footer, type Line, type Message, type Tone, words } from '../core/message.ts';
import { plural } from '../core/text.ts';
import { ownUsers, reputationFact, untilFact, whoOf } from './compose-ban.ts';

/** What the auto-unban policy decided, and what came of it. */
export type UnbanTold = Extract<BanEvent, { type: 'unban.decided' | 'unban.failed' }>;

/** A message about what was decided on one ban. */
export function composeUnban(event: UnbanTold): Message {
  const { ban } = event;
  const isOwn = ban.known_users.length > 0;
  return {
    tone: unbanTone(event),
    title: [...(event.test ? ['Test: '] : []), ...titleOf(event)],
    lead: [...(isOwn ? [ownUsers(ban)] : []), ...reasonsOf(event)],
    facts: [...reputationFact(ban), ...(event.type === 'unban.failed' || !isLifted(event) ? untilFact(ban) : [])],
    notes: notesOf(event),
    items: [],
    evidence: [],
    footer: footer(ban.host, ban.jail),
    at: Date.parse(event.at),
  };
}

/** In one line, for a list. */
export function unbanLine(event: UnbanTold): Line {
  const [reason] = reasonsOf(event);
  return [...titleOf(event), ...(reason === undefined ? [] : [' — ', ...reason])];
}

export function unbanTone(event: UnbanTold): Tone {
  if (event.type === 'unban.failed') return 'trouble';
  if (event.decision.action === 'keep') return event.ban.known_users.length > 0 ? 'own' : 'quiet';
  return 'end';
}

function isLifted(event: UnbanTold): boolean {
  return event.type === 'unban.decided' && event.decision.action === 'lift';
}

function titleOf(event: UnbanTold): Line {
  const who = whoOf(event.ban.network);
  if (event.type === 'unban.failed') return ['The ban of ', who, ' could not be lifted'];
  const { action } = event.decision;
  if (action === 'lift') return ['Lifting the ban of ', who];
  return action === 'would-lift' ? ['Would lift the ban of ', who] : ['The ban of ', who, ' stays'];
}

function reasonsOf(event: UnbanTold): Line[] {
  const reasons = event.type === 'unban.failed' ? [event.failure.reason] : event.decision.reasons;
  return reasons.map((reason): Line => [words(capitalise(reason))]);
}

function notesOf(event: UnbanTold): Line[] {
  if (event.type === 'unban.failed') return [['It stays banned until it expires, or somebody lifts it.']];
  const { action, mode, allowlist_hours: hours } = event.decision;
  const allowed: Line[] =
    hours === undefined ? [] : [[`Then it is on the allowlist for ${plural(Math.round(hours), 'hour')}.`]];
  if (action !== 'would-lift') return allowed;
  const how = `cowbell unban ${event.ban.network}${hours === undefined ? '' : ` --allowlist ${Math.round(hours)}h`}`;
  return mode === 'suggest' ? [['To lift it: ', code(how)]] : [['Nothing was done: this is a dry run.'], ...allowed];
}

function capitalise(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
