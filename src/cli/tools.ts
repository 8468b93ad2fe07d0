import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { WatcherTools } from '../core/watcher.ts';
import { VERSION } from '../version.ts';

/** What is told to a person is told on the terminal. */
export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

/** What a command needs to reach what the configuration names; the caller calls `close`. */
export async function createTools(config: Config) {
  const { createContainerLogs } = await import('../logs/container-log.ts');
  const { createHttpClient } = await import('../http/client.ts');
  const containers = createContainerLogs({ ...config.docker, clock: systemClock, logger: SILENT });
  const http = createHttpClient({ userAgent: `cowbell/${VERSION}` });
  const tools: WatcherTools = {
    clock: systemClock,
    logger: SILENT,
    http,
    containerLog: (selector) => containers.source(selector),
    exec: containers.exec,
    redis: config.redis,
    mailcowApi: config.mailcow_api,
  };
  return { containers, tools, close: () => http.close() };
}
