import { selectorOf } from './assemble.ts';
import type { Config, WatcherConfig } from './config/schema.ts';
import { PermanentError } from './core/errors.ts';
import { safeText } from './core/text.ts';
import type { ListingUnbanner } from './core/unbanner.ts';
import type { WatcherTools } from './core/watcher.ts';
import { createFail2banUnbanner } from './reputation/unbanners/fail2ban-client.ts';
import { createMailcowApiUnbanner } from './reputation/unbanners/mailcow-api.ts';
import { createRedisUnbanner } from './reputation/unbanners/redis.ts';

/** What can lift bans here. */
export interface Unbanners {
  readonly all: readonly ListingUnbanner[];
  /** Undefined where nothing is configured that lifts bans of this jail. */
  of(jail: string): ListingUnbanner | undefined;
  /** The same; throws `PermanentError` with what to configure. */
  required(jail: string): ListingUnbanner;
}

/** Those that the configuration gives the means for; `watchers` are the ones that run. */
export function createUnbanners(
  { redis, mailcow_api: address }: Pick<Config, 'redis' | 'mailcow_api'>,
  watchers: readonly WatcherConfig[],
  { http, clock, exec }: Pick<WatcherTools, 'http' | 'clock' | 'exec'>,
): Unbanners {
  const all: ListingUnbanner[] = [];
  // Redis has the same queue, and needs no key that may write.
  if (redis !== undefined) all.push(createRedisUnbanner(redis));
  else if (address !== undefined) all.push(createMailcowApiUnbanner({ address, http, clock }));
  for (const { selector, socket, jails } of fail2bansOf(watchers)) {
    all.push(createFail2banUnbanner({ exec, selector, socket, jails }));
  }
  const of = (jail: string) => all.find((each) => each.covers(jail));
  return {
    all,
    of,
    required(jail) {
      const unbanner = of(jail);
      if (unbanner === undefined) throw new PermanentError(explainNobody(jail));
      return unbanner;
    },
  };
}

/** Each fail2ban once; one that is configured for some jails before one for all. */
function fail2bansOf(watchers: readonly WatcherConfig[]) {
  const found = watchers
    .filter(({ type }) => type === 'fail2ban-client' || type === 'fail2ban')
    .flatMap((watcher) => {
      const selector = selectorOf(watcher);
      const { type, socket, jails } = watcher as WatcherConfig & { socket?: string; jails?: string[] };
      return selector === undefined ? [] : [{ type, selector, socket, jails, key: JSON.stringify(selector) }];
    });
  const byClient = new Set(found.filter(({ type }) => type === 'fail2ban-client').map(({ key }) => key));
  const each = found.filter(({ type, key }) => type === 'fail2ban-client' || !byClient.has(key));
  return each.sort((a, b) => Number(a.jails === undefined) - Number(b.jails === undefined));
}

/** Why bans of a jail cannot be lifted, and what to configure. */
export function explainNobody(jail: string): string {
  return jail === 'netfilter'
    ? "nothing is configured that can lift bans of mailcow's netfilter: give cowbell `redis`, or `mailcow_api` with a key that may write"
    : `nothing is configured that can lift bans of ${safeText(jail, 64)}: give cowbell a watcher of type fail2ban-client or fail2ban for the container that has this jail`;
}
