import { jsonProblems, jsonReply, RECEIVER_TOKEN, type Service, waitHeader } from './service.ts';
import { controlProblems, isObject, listOf, unknownKeys } from './slack-rules.ts';

/**
 * What Loki takes: https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs, and its limits by default,
 * https://grafana.com/docs/loki/latest/configure/#limits_config.
 */
export const lokiService: Service = {
  path: `/${RECEIVER_TOKEN}`,
  takes: new RegExp(`^/${RECEIVER_TOKEN}/loki/api/v1/push$`),
  problems: (request) => [...jsonProblems(request), ...pushProblems(request.json, request.body)],
  accept: () => ({ status: 204 }),
  refuse: () => ({ status: 400, body: 'invalid' }),
  limit: (seconds) => jsonReply(429, { message: 'Ingestion rate limit exceeded' }, waitHeader(seconds)),
};

function pushProblems(body: unknown, text: string): string[] {
  if (!isObject(body)) return ['the body is not an object'];
  const problems = unknownKeys(body, new Set(['streams']), 'push');
  if (text.length > 4_194_304) problems.push('grpc: received message larger than max');
  const streams = listOf(body.streams).filter(isObject);
  if (streams.length === 0) problems.push('no streams');
  for (const { stream, values } of streams) {
    const labels = Object.entries(stream as Record<string, string>);
    if (labels.length === 0 || labels.length > 15) problems.push(`${labels.length} labels`);
    for (const [name, value] of labels) {
      if (!/^[a-zA-Z_]\w*$/.test(name)) problems.push(`label ${name}`);
      if (value === '' || value.length > 100) problems.push(`${name} has ${value.length} characters`);
      problems.push(...controlProblems(value));
    }
    // The name of the server is the admin's; no other label may hold what a stranger wrote.
    const known = new Set(['job', 'host', 'event']);
    problems.push(...labels.filter(([name]) => !known.has(name)).map(([name]) => `a label ${name}`));
    for (const [at, line] of values as [unknown, unknown][]) {
      if (typeof at !== 'string' || !/^\d{19}$/.test(at)) problems.push(`time ${at}`);
      if (typeof line !== 'string' || Buffer.byteLength(line) > 262_144) problems.push('no line, or too long a one');
      else if (/[\r\n]/.test(line) || !isObject(JSON.parse(line))) problems.push('a line that is no JSON');
    }
  }
  return problems;
}
