import { z } from 'zod';
import type { LogSource, WatcherTools } from '../core/watcher.ts';
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

/** Option of a watcher whose lines mailcow keeps in Redis as well. */
export function fromOption(list: string) {
  return z
    .enum(['docker', 'redis'])
    .default('docker')
    .describe(`Where its lines are read: the container's log, or the list ${list} in mailcow's Redis`);
}

interface LogOptions {
  service: string;
  container?: string | undefined;
  from?: 'docker' | 'redis' | undefined;
}

/** The log that a watcher's options mean. Throws `PermanentError` when it is to be read in Redis, and there is none. */
export function openLog(name: string, options: LogOptions, tools: WatcherTools, list?: string): LogSource {
  if (options.from === 'redis' && list !== undefined) {
    return createRedisList({ key: list, address: redisOf(name, tools), clock: tools.clock, logger: tools.logger });
  }
  return tools.containerLog(
    options.container === undefined ? { service: options.service } : { container: options.container },
  );
}
