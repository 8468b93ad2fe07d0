import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import type { Origins } from './origins/origins.ts';

/** Opens the databases of origins that the configuration asks for, if any. The caller calls `close` on what it gets. */
export async function openOrigins(
  { enrich }: Pick<Config, 'enrich'>,
  tools: { clock: Pick<Clock, 'now'>; logger: Logger },
): Promise<Origins | undefined> {
  if (enrich.files.length === 0 && !enrich.shipped) return undefined;
  const { createOrigins } = await import('./origins/origins.ts');
  return createOrigins(enrich, tools);
}
