import { z } from 'zod';
import type { BanEvent } from '../core/event.ts';
import { loggedEvent } from '../core/event-line.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { safeText } from '../core/text.ts';
import { authHeaders, authOptions, checkAuth } from './http-auth.ts';

/** https://grafana.com/docs/loki/latest/configure/#limits_config, max_label_value_length is 2048; ours is for an index. */
const LABEL = 100;

const Options = z
  .object({
    url: secretUrl()
      .describe('Loki, without `/loki/api/v1/push`')
      .meta({ examples: ['http://loki:3100'] }),
    tenant: z
      .string()
      .regex(/^[\w!.*'()-]{1,150}$/, 'expected a tenant id, without blanks and slashes')
      .optional()
      .describe('X-Scope-OrgID, where Loki has more than one tenant')
      .meta({ examples: ['mail'] }),
    labels: z
      .record(
        z.string().regex(/^(?!__)[a-zA-Z_]\w{0,60}$/, 'expected the name of a label'),
        z.string().min(1).max(LABEL),
      )
      .default({})
      .describe('Further labels of every line')
      .meta({ examples: [{ env: 'production' }] }),
    ...authOptions,
  })
  .superRefine(checkAuth)
  .superRefine(({ labels }, context) => {
    for (const name of ['job', 'host', 'event'].filter((each) => each in labels))
      context.addIssue({ code: 'custom', path: ['labels', name], message: 'cowbell sets this label itself' });
  });

/**
 * Grafana Loki: each event is a line of JSON with the names that the webhook has, in a stream for each kind of event.
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs
 */
export const lokiNotifier: NotifierDefinition<typeof Options> = {
  type: 'loki',
  summary: 'Grafana Loki: each event as a line of JSON',
  options: Options,
  audience: 'programs',
  // An event has about two kilobytes; Loki takes four megabytes and more at once.
  pace: { groupIntervalMs: 0, minIntervalMs: 0, maxEvents: 500 },
  create: ({ url, tenant, labels, user, token }, { http, clock }) => {
    const target = new Secret(`${url.reveal().replace(/\/+$/, '')}/loki/api/v1/push`);
    return {
      async notify({ id, events }, signal) {
        const headers = {
          ...authHeaders({ user, token }),
          ...(tenant !== undefined && { 'x-scope-orgid': tenant }),
          'content-type': 'application/json',
          'webhook-id': id,
        };
        const body = JSON.stringify({ streams: streamsOf(events, labels) });
        requireAccepted(await http.send({ url: target, headers, body }, signal), clock.now());
      },
    };
  },
};

interface Stream {
  stream: Record<string, string>;
  /** Nanoseconds since the epoch, and the line. */
  values: [string, string][];
}

/** Nothing that a stranger may make up is a label. */
function streamsOf(events: Iterable<BanEvent>, labels: Record<string, string>): Stream[] {
  const streams = new Map<string, Stream>();
  for (const event of events) {
    const { type, host, at } = event;
    const key = JSON.stringify([type, host]);
    const stream = streams.get(key) ?? {
      stream: { ...labels, job: 'cowbell', host: safeText(host, LABEL) || 'unknown', event: type },
      values: [],
    };
    stream.values.push([`${Date.parse(at)}000000`, JSON.stringify(loggedEvent(event))]);
    streams.set(key, stream);
  }
  return [...streams.values()];
}
