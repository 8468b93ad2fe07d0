import type { Receiver } from './receivers.ts';
import type { ReceivedRequest } from './service.ts';

/** How many bans a chat message tells of, by its title: what a person would count. */
export function bansToldBy({ json }: ReceivedRequest): number {
  const title = titleOf(json);
  if (/\bBanned\b|\bwas banned\b/.test(title)) return 1;
  const [, count] = /(?:^|[ ,])([\d,]+) bans?\b(?! (?:ended|dropped|extended))/.exec(title) ?? [];
  return count === undefined ? 0 : Number(count.replaceAll(',', ''));
}

function titleOf(json: unknown): string {
  const { text, embeds } = json as { text?: string; embeds?: { title?: string }[] };
  return text ?? embeds?.[0]?.title ?? '';
}

/** The bans of all messages that were accepted, one that came twice under its id counted once. */
export function bansTold(receiver: Receiver): number {
  const first = new Map(receiver.accepted().map((request) => [request.deliveryId, request]));
  return [...first.values()].reduce((sum, request) => sum + bansToldBy(request), 0);
}
