import type { Clock } from '../core/clock.ts';
import type { BanEvent } from '../core/event.ts';
import type { Ip } from '../core/network.ts';
import type { Delivery, Notifier } from '../core/notifier.ts';
import type { Hostnames } from './hostnames.ts';

/** Offenders of one delivery whose names are asked for. */
const ASKED = 10;
/** In a storm nobody is asked. */
const MOST_EVENTS = 10;

export interface WithHostnamesOptions {
  hostnames: Pick<Hostnames, 'nameOf'>;
  clock: Clock;
  /** A delivery waits for names so long at most, and goes without those that are missing. */
  withinMs: number;
}

/** A notifier that tells of offenders by their names, too, where these are found in time. */
export function withHostnames(notifier: Notifier, options: WithHostnamesOptions): Notifier {
  return {
    async notify(delivery, signal) {
      await notifier.notify(await named(delivery, options, signal), signal);
    },
    ...(notifier.notifyPlainly !== undefined && {
      async notifyPlainly(delivery, signal) {
        await notifier.notifyPlainly?.(await named(delivery, options, signal), signal);
      },
    }),
  };
}

async function named(
  delivery: Delivery,
  { hostnames, clock, withinMs }: WithHostnamesOptions,
  signal: AbortSignal,
): Promise<Delivery> {
  const ips = delivery.size > MOST_EVENTS ? [] : offendersOf(delivery);
  if (ips.length === 0) return delivery;
  const names = new Map<string, string>();
  const work = ips.map(async (ip) => {
    const name = await hostnames.nameOf(ip);
    if (name !== undefined) names.set(ip, name);
  });
  const over = new AbortController();
  const cut = () => over.abort();
  signal.addEventListener('abort', cut, { once: true });
  await Promise.race([Promise.all(work), clock.sleep(withinMs, over.signal)]);
  over.abort();
  signal.removeEventListener('abort', cut);
  // What comes later is for the next delivery: this one says the same however often it is read.
  const found = new Map(names);
  if (found.size === 0) return delivery;
  return {
    id: delivery.id,
    size: delivery.size,
    events: {
      *[Symbol.iterator]() {
        for (const event of delivery.events) yield withNames(event, found);
      },
    },
  };
}

function offendersOf({ events }: Delivery): Ip[] {
  const ips = new Set<Ip>();
  for (const event of events) {
    if (event.type !== 'ban.started') continue;
    for (const { ip } of event.ban.offenders) if (ips.size < ASKED) ips.add(ip as Ip);
  }
  return [...ips];
}

function withNames(event: BanEvent, names: ReadonlyMap<string, string>): BanEvent {
  if (event.type !== 'ban.started') return event;
  const offenders = event.ban.offenders.map((offender) => {
    const hostname = names.get(offender.ip);
    return hostname === undefined ? offender : { ...offender, hostname };
  });
  return { ...event, ban: { ...event.ban, offenders } };
}
