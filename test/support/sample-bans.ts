import type { BanEvent } from '../../src/core/event.ts';

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
