import { jsonProblems, jsonReply, RECEIVER_TOKEN, type ReceivedRequest, type Service, waitHeader } from './service.ts';
import { controlProblems } from './slack-rules.ts';

/**
 * Alertmanager's API v2, https://github.com/prometheus/alertmanager/blob/v0.27.0/api/v2/openapi.yaml, and what it checks of
 * an alert, https://github.com/prometheus/alertmanager/blob/v0.27.0/types/types.go (Alert.Validate).
 */
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
const FILTER = /^(alertname=~"MailServer\.\*"|(?:host|jail)="(?:[^"\\]|\\["\\])*")$/;

export const alertmanagerService: Service = {
  path: `/${RECEIVER_TOKEN}`,
  takes: new RegExp(`^/${RECEIVER_TOKEN}/api/v2/alerts$`),
  problems: (request) => (request.method === 'GET' ? queryProblems(request) : postProblems(request)),
  accept: ({ method }) => (method === 'GET' ? jsonReply(200, []) : { status: 200 }),
  refuse: () => jsonReply(400, { code: 400, message: 'bad request' }),
  limit: (seconds) => ({ status: 429, headers: waitHeader(seconds) }),
};

function queryProblems({ path }: ReceivedRequest): string[] {
  const filters = new URL(path, 'http://x').searchParams.getAll('filter');
  return filters.length === 3 && filters.every((filter) => FILTER.test(filter)) ? [] : [`filters ${filters}`];
}

function postProblems(request: ReceivedRequest): string[] {
  if (!Array.isArray(request.json) || request.json.length === 0) return ['not a list of alerts'];
  return [...jsonProblems(request), ...request.json.flatMap(alertProblems)];
}

function alertProblems(alert: Record<string, unknown>): string[] {
  const {
    labels = {},
    annotations = {},
    startsAt = '',
    endsAt = '',
  } = alert as {
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    startsAt?: string;
    endsAt?: string;
  };
  const pairs = [...Object.entries(labels), ...Object.entries(annotations)];
  return [
    ...(Object.keys(labels).length < 3 || Object.keys(labels).length > 6 ? ['too few labels, or too many'] : []),
    ...(labels.alertname ? [] : ['no alertname']),
    ...pairs.filter(([name]) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)).map(([name]) => `label name ${name}`),
    ...Object.values(labels)
      .filter((value) => value.length > 100)
      .map(() => 'a label is too long'),
    ...pairs.flatMap(([, value]) => controlProblems(value)),
    ...[startsAt, endsAt].filter((time) => !RFC_3339.test(time)).map((time) => `time ${time}`),
    ...(Date.parse(startsAt) > Date.parse(endsAt) ? ['it ends before it begins'] : []),
  ];
}
