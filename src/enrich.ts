import type { Config } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import type { Notifier } from './core/notifier.ts';
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

/** Lets notifiers tell offenders by their names, if the configuration asks for it. The caller calls `close`. */
export async function openHostnames(
  { enrich }: Pick<Config, 'enrich'>,
  clock: Clock,
): Promise<{ decorate: (notifier: Notifier) => Notifier; close: () => void } | undefined> {
  if (!enrich.hostnames) return undefined;
  const { Hostnames } = await import('./origins/hostnames.ts');
  const { withHostnames } = await import('./origins/with-hostnames.ts');
  const hostnames = new Hostnames({ clock });
  const options = { hostnames, clock, withinMs: enrich.hostnames_within_ms };
  return { decorate: (notifier) => withHostnames(notifier, options), close: () => hostnames.close() };
}
