import { z } from 'zod';
import { PermanentError } from '../core/errors.ts';
import type { Ban, BanEvent } from '../core/event.ts';
import { requireAccepted } from '../core/http-outcome.ts';
import { plainLine } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { secretUrl } from '../core/options.ts';
import { Secret } from '../core/secret.ts';
import { safeText } from '../core/text.ts';
import { authHeaders, authOptions, checkAuth } from './http-auth.ts';
import { readAnswer } from './read-answer.ts';

/** Our own bounds: Alertmanager has none, and a label is an index. */
const LABEL = 100;
const ANNOTATION = 1_000;
/** Ten thousand alerts of about a kilobyte. */
const LARGEST_LIST_BYTES = 16_777_216;
/** Of what has no end that is known: an alert without one is resolved after `resolve_timeout`. */
const FAR = '9999-12-31T23:59:59.000Z';

/** The kinds of alerts, and how bad each is: nothing that may change while one stands is among its labels. */
const SEVERITY = {
  MailServerBan: 'warning',
  MailServerOwnUserBanned: 'critical',
  CowbellSourceDown: 'critical',
  CowbellNotifierDown: 'warning',
} as const;
type AlertName = keyof typeof SEVERITY;

const Options = z
  .object({
    url: secretUrl()
      .describe('Alertmanager, without `/api/v2/alerts`')
      .meta({ examples: ['http://alertmanager:9093'] }),
    ...authOptions,
  })
  .superRefine(checkAuth);

interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

/** Prometheus Alertmanager: an alert stands as long as its ban does. https://prometheus.io/docs/alerting/latest/alerts_api */
export const alertmanagerNotifier: NotifierDefinition<typeof Options> = {
  type: 'alertmanager',
  summary: 'Prometheus Alertmanager: an alert that stands as long as its ban does',
  options: Options,
  audience: 'programs',
  events: [
    'ban.started',
    'ban.extended',
    'ban.ended',
    'bans.cleared',
    'source.down',
    'source.up',
    'notifier.down',
    'notifier.up',
  ],
  pace: { groupIntervalMs: 0, minIntervalMs: 0, maxEvents: 1_000 },
  create: ({ url, user, token }, { http, clock, compose }) => {
    const target = `${url.reveal().replace(/\/+$/, '')}/api/v2/alerts`;
    const auth = authHeaders({ user, token });

    /** The bans of a jail that stand there. */
    const listBans = async (host: string, jail: string, id: string, signal: AbortSignal) => {
      const query = new URLSearchParams({ active: 'true', silenced: 'true', inhibited: 'true' });
      query.append('filter', 'alertname=~"MailServer.*"');
      query.append('filter', matcher('host', host));
      query.append('filter', matcher('jail', jail));
      const headers = { ...auth, accept: 'application/json', 'webhook-id': id };
      const request = { method: 'GET' as const, url: new Secret(`${target}?${query}`), headers };
      const response = await http.send({ ...request, maxBodyBytes: LARGEST_LIST_BYTES }, signal);
      requireAccepted(response, clock.now());
      const list = readAnswer(StandingAlerts, response.body);
      if (list === undefined) throw new PermanentError("the answer is not Alertmanager's");
      return list;
    };

    return {
      async notify({ id, events }, signal) {
        // The last word on each alert counts.
        const alerts = new Map<string, Alert>();
        const put = (alert: Alert) => alerts.set(JSON.stringify(alert.labels), alert);
        for (const event of events) {
          if (event.type === 'bans.cleared') {
            const { host, cleared, at } = event;
            const isDropped = ({ labels, startsAt }: Pick<Alert, 'labels' | 'startsAt'>) =>
              labels.host === label(host) && labels.jail === label(cleared.jail) && !isAfter(startsAt, at);
            const standing = await listBans(label(host), label(cleared.jail), id, signal);
            for (const alert of [...standing, ...alerts.values()].filter(isDropped)) put({ ...alert, endsAt: at });
          } else for (const alert of alertsOf(event, plainLine((await compose([event])).title))) put(alert);
        }
        if (alerts.size === 0) return;
        const headers = { ...auth, 'content-type': 'application/json', 'webhook-id': id };
        const body = JSON.stringify([...alerts.values()]);
        requireAccepted(await http.send({ url: new Secret(target), headers, body }, signal), clock.now());
      },
    };
  },
};

const StandingAlerts = z.array(
  z.object({
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()),
    startsAt: z.string(),
  }),
);

function alertsOf(event: BanEvent, summary: string): Alert[] {
  switch (event.type) {
    case 'ban.started':
    case 'ban.extended':
    case 'ban.ended': {
      const { ban } = event;
      const isOver = event.type === 'ban.ended';
      const endsAt = isOver ? (ban.ended_at ?? event.at) : ban.permanent === true ? FAR : (ban.until ?? FAR);
      // What ends, ends both: whether it began as an own user's may be known by now, or no longer.
      const isOwn = isOver || ban.known_users.length > 0;
      const names: AlertName[] = isOwn ? ['MailServerBan', 'MailServerOwnUserBanned'] : ['MailServerBan'];
      const { host, jail, network } = ban;
      return names.map((name) => ({
        labels: labelsOf(name, { host, jail, network }),
        annotations: { summary: text(summary), ...detailsOf(ban) },
        ...times(ban.started_at, endsAt),
      }));
    }
    case 'source.down':
    case 'source.up': {
      const { name, since, reason } = event.source;
      const labels = labelsOf('CowbellSourceDown', { host: event.host, source: name });
      return [stateAlert(event, event.type === 'source.down', { labels, since, reason, summary })];
    }
    case 'notifier.down':
    case 'notifier.up': {
      const { name, since, reason } = event.notifier;
      const labels = labelsOf('CowbellNotifierDown', { host: event.host, notifier: name });
      return [stateAlert(event, event.type === 'notifier.down', { labels, since, reason, summary })];
    }
    default:
      return [];
  }
}

function stateAlert(
  { at }: BanEvent,
  isDown: boolean,
  { labels, since, reason, summary }: { labels: Alert['labels']; since: string; reason: string; summary: string },
): Alert {
  return {
    labels,
    annotations: { summary: text(summary), description: text(reason) },
    ...times(since, isDown ? FAR : at),
  };
}

function labelsOf(name: AlertName, rest: Record<string, string>): Record<string, string> {
  const shown = Object.entries(rest).map(([key, value]) => [key, label(value)]);
  return { alertname: name, severity: SEVERITY[name], ...Object.fromEntries(shown) };
}

function detailsOf({ id, attempts, services, accounts, evidence }: Ban): Record<string, string> {
  return {
    description: text(evidence.at(-1) ?? ''),
    attempts: String(attempts),
    services: text(services.join(', ')),
    accounts: text(accounts.map(({ name }) => name).join(', ')),
    ban: text(id),
  };
}

/** Alertmanager refuses an alert that ends before it begins. */
function times(startsAt: string, endsAt: string): Pick<Alert, 'startsAt' | 'endsAt'> {
  return { startsAt: isAfter(startsAt, endsAt) ? endsAt : startsAt, endsAt };
}

function isAfter(time: string, other: string): boolean {
  return Date.parse(time) > Date.parse(other);
}

function label(value: string): string {
  return safeText(value, LABEL);
}

function text(value: string): string {
  return safeText(value, ANNOTATION);
}

/** https://prometheus.io/docs/alerting/latest/configuration/#matcher: a backslash and a quote are escaped. */
function matcher(name: string, value: string): string {
  return `${name}="${value.replace(/[\\"]/g, '\\$&')}"`;
}
