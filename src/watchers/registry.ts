import type { WatcherDefinition } from '../core/watcher.ts';
import { fail2banWatcher } from './fail2ban.ts';
import { netfilterWatcher } from './netfilter.ts';
import { postfixWatcher } from './postfix.ts';
import { ratelimitsWatcher } from './ratelimits.ts';
import { redisWatcher } from './redis.ts';

/** Every kind of watcher: config, JSON Schema, example and `explain` follow from this list. */
export const watcherDefinitions = [
  netfilterWatcher,
  postfixWatcher,
  fail2banWatcher,
  redisWatcher,
  ratelimitsWatcher,
] as const satisfies readonly Pick<
  WatcherDefinition,
  'type' | 'summary' | 'options' | 'reads' | 'byDefault' | 'list' | 'tellsOf'
>[];
