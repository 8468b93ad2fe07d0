import type { WatcherDefinition } from '../core/watcher.ts';
import { dovecotWatcher } from './dovecot.ts';
import { f2bChannelWatcher } from './f2b-channel.ts';
import { fail2banWatcher } from './fail2ban.ts';
import { fail2banClientWatcher } from './fail2ban-client.ts';
import { mailcowApiWatcher } from './mailcow-api.ts';
import { netfilterWatcher } from './netfilter.ts';
import { patternWatcher } from './pattern.ts';
import { postfixWatcher } from './postfix.ts';
import { ratelimitsWatcher } from './ratelimits.ts';
import { redisWatcher } from './redis.ts';
import { sogoWatcher } from './sogo.ts';

/** Every kind of watcher: config, JSON Schema, example and `explain` follow from this list. */
export const watcherDefinitions = [
  netfilterWatcher,
  postfixWatcher,
  dovecotWatcher,
  sogoWatcher,
  fail2banWatcher,
  fail2banClientWatcher,
  redisWatcher,
  f2bChannelWatcher,
  ratelimitsWatcher,
  mailcowApiWatcher,
  patternWatcher,
] as const satisfies readonly Pick<
  WatcherDefinition,
  'type' | 'summary' | 'options' | 'reads' | 'byDefault' | 'list' | 'tellsOf'
>[];
