import type { BanEvent } from '../../src/core/event.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';

/** A small event, for tests that care only that there is one. */
export function sampleEvent(id: string, at = 1_795_430_000_000): BanEvent {
  const time = new Date(at).toISOString();
  return {
    id,
    type: 'source.down',
    at: time,
    host: 'mail.example.org',
    source: { name: 'redis', reason: 'connection refused', since: time },
  };
}

/** So many bans that began, none marked as a test, each of a network of its own; `first` is the number of the first. */
export function bansFrom(first: number, count: number, at: number): BanEvent[] {
  const [sample] = sampleEvents('mail.example.org', at);
  if (sample === undefined || !('ban' in sample)) throw new Error('the first sample is no ban');
  const { test: _test, ...plain } = sample;
  return Array.from({ length: count }, (_, index): BanEvent => {
    const number = first + index;
    const ip = `45.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
    const ban = { ...sample.ban, id: `ban-${number}`, network: `${ip}/32`, offenders: [{ ip, attempts: 10 }] };
    return { ...plain, id: `started-${number}`, ban } as BanEvent;
  });
}
