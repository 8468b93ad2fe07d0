import { z } from 'zod';
import type { LogSource, WatcherTools } from '../core/watcher.ts';
import { mailcowApiOf } from './mailcow-api-client.ts';
import { createMailcowApiLog } from './mailcow-api-log.ts';
import { redisOf } from './redis-connection.ts';
import { createRedisList } from './redis-list.ts';

/** Options of a watcher that reads the log of one container; `list` if mailcow's Redis has the same lines. */
export function logOptions(service: string, what: string) {
  return {
    service: z.string().min(1).default(service).describe(`Compose service of ${what}`),
    container: z
      .string()
      .min(1)
      .optional()
      .describe('Name of a container that compose did not make, in place of the service'),
  };
}

/** Lists in which mailcow keeps the lines of its services, and what its API calls them. */
const API_LOGS = {
  NETFILTER_LOG: 'netfilter',
  POSTFIX_MAILLOG: 'postfix',
  DOVECOT_MAILLOG: 'dovecot',
  SOGO_LOG: 'sogo',
} as const;
type List = keyof typeof API_LOGS;

/** Option of a watcher whose lines mailcow keeps in Redis as well. */
export function fromOption(list: List) {
  return z
    .enum(['docker', 'redis', 'api'])
    .default('docker')
    .describe(`Where its lines are read: the container's log, the list ${list} in mailcow's Redis, or mailcow's API`);
}

interface LogOptions {
  service: string;
  container?: string | undefined;
  from?: 'docker' | 'redis' | 'api' | undefined;
}

/** The log that a watcher's options mean. Throws `PermanentError` where the configuration does not say where that is. */
export function openLog(name: string, options: LogOptions, tools: WatcherTools, list: List): LogSource {
  const { clock, logger, http } = tools;
  if (options.from === 'redis') return createRedisList({ key: list, address: redisOf(name, tools), clock, logger });
  if (options.from === 'api') {
    return createMailcowApiLog({ log: API_LOGS[list], address: mailcowApiOf(name, tools), http, clock, logger });
  }
  return tools.containerLog(
    options.container === undefined ? { service: options.service } : { container: options.container },
  );
}
