import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const ABUSEIPDB_KEY = 'aBuSe-0123456789abcdef';

const REPORT_AGAIN_MS = 900_000;

/** A report as it came. */
export interface ReceivedReport {
  ip: string;
  categories: string;
  comment: string;
  timestamp: string;
}

export interface AbuseipdbServer {
  /** Without a path behind it. */
  url: string;
  /** `check 198.51.100.7`, in the order of arrival. */
  requests: string[];
  /** The score of an address; those that are not here have 0. */
  scores: Map<string, number>;
  /** Those that were accepted. */
  reports: ReceivedReport[];
  /**
   * Answers every request with this from now on; `hang` never answers, `cut` ends the connection, `keep` does what it is
   * asked and then says nothing; undefined to answer as AbuseIPDB does.
   */
  answerWith(answer: FixedAnswer | undefined): void;
  close(): Promise<void>;
}

export type FixedAnswer = { status: number; headers?: Record<string, string>; body?: string } | 'hang' | 'cut' | 'keep';

interface ServerOptions {
  /** Calls of each kind that the plan has in a day. */
  daily?: number;
  now?: () => number;
}

/** Answers as https://docs.abuseipdb.com says. */
export async function startAbuseipdb({ daily = 1_000, now = Date.now }: ServerOptions = {}): Promise<AbuseipdbServer> {
  const requests: string[] = [];
  const scores = new Map<string, number>();
  const reports: ReceivedReport[] = [];
  const reportedAt = new Map<string, number>();
  const left = new Map<string, number>();
  let fixed: FixedAnswer | undefined;

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '', 'http://x');
    const call = url.pathname.replace('/api/v2/', '');
    const fields = call === 'report' ? new URLSearchParams(await bodyOf(request)) : url.searchParams;
    const subject =
      ['ipAddress', 'network', 'ip'].map((name) => fields.get(name)).find((value) => value !== null) ?? '';
    requests.push(`${call} ${subject}`);
    if (fixed === 'hang') return;
    if (fixed === 'cut') return void response.destroy();
    if (fixed !== undefined && fixed !== 'keep')
      return void response.writeHead(fixed.status, fixed.headers).end(fixed.body ?? '');
    if (request.headers.key !== ABUSEIPDB_KEY)
      return fail(response, 401, 'Authentication failed. Your API key is either missing, incorrect, or revoked.');
    if (request.headers.accept !== 'application/json') return void response.writeHead(200).end('<html>');
    const limits = { 'x-ratelimit-limit': String(daily), 'x-ratelimit-reset': String(nextDay(now())) };
    const remaining = left.get(call) ?? daily;
    if (remaining === 0) {
      const headers = { ...limits, 'retry-after': '29241', 'x-ratelimit-remaining': '0' };
      return fail(response, 429, `Daily rate limit of ${daily} requests exceeded for this endpoint.`, { headers });
    }
    left.set(call, remaining - 1);
    const headers = { ...limits, 'x-ratelimit-remaining': String(remaining - 1) };
    if (call === 'report') return report(response, fields, headers);
    if (!/^\d{1,3}$/.test(fields.get('maxAgeInDays') ?? ''))
      return fail(response, 422, 'The max age is wrong.', { parameter: 'maxAgeInDays' });
    if (call === 'check') {
      const data = {
        ipAddress: subject,
        isPublic: subject !== '127.0.0.1',
        isWhitelisted: null,
        abuseConfidenceScore: scores.get(subject) ?? 0,
        countryCode: 'DE',
        totalReports: scores.has(subject) ? 7 : 0,
      };
      return succeed(response, { data }, headers);
    }
    if (call === 'check-block') {
      const front = subject.slice(0, subject.lastIndexOf('.') + 1);
      const reportedAddress = [...scores]
        .filter(([ip]) => ip.startsWith(front))
        .map(([ipAddress, abuseConfidenceScore]) => ({ ipAddress, numReports: 1, abuseConfidenceScore }));
      const [networkAddress] = subject.split('/');
      return succeed(response, { data: { networkAddress, netmask: '255.255.255.0', reportedAddress } }, headers);
    }
    return fail(response, 404, 'Not found');
  };

  const report = (response: ServerResponse, fields: URLSearchParams, headers: Record<string, string>) => {
    const { ip = '', categories = '', comment = '', timestamp = '' } = Object.fromEntries(fields);
    if (!/^\d{1,2}(,\d{1,2}){0,29}$/.test(categories))
      return fail(response, 422, 'The categories are wrong.', { parameter: 'categories' });
    if (comment.length > 1_024) return fail(response, 422, 'The comment is too long.', { parameter: 'comment' });
    if (Number.isNaN(Date.parse(timestamp)))
      return fail(response, 422, 'The timestamp is wrong.', { parameter: 'timestamp' });
    if (now() - (reportedAt.get(ip) ?? Number.NEGATIVE_INFINITY) < REPORT_AGAIN_MS) {
      const detail = `You can only report the same IP address (\`${ip}\`) once in 15 minutes.`;
      return fail(response, 429, detail, { headers, parameter: 'ip' });
    }
    reportedAt.set(ip, now());
    reports.push({ ip, categories, comment, timestamp });
    if (fixed === 'keep') return;
    return succeed(response, { data: { ipAddress: ip, abuseConfidenceScore: scores.get(ip) ?? 0 } }, headers);
  };

  const server = createServer((request, response) => void answer(request, response));
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/api/v2`,
    requests,
    scores,
    reports,
    answerWith(next) {
      fixed = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** When the limits are full again, in seconds since the epoch. */
function nextDay(now: number): number {
  return (Math.floor(now / 86_400_000) + 1) * 86_400;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

function succeed(response: ServerResponse, body: object, headers: Record<string, string>): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** https://docs.abuseipdb.com/#errors */
function fail(
  response: ServerResponse,
  status: number,
  detail: string,
  { headers = {}, parameter }: { headers?: Record<string, string>; parameter?: string } = {},
): void {
  const error = { detail, status, ...(parameter !== undefined && { source: { parameter } }) };
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ errors: [error] }));
}
