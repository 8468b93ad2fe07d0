import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const ABUSEIPDB_KEY = 'aBuSe-0123456789abcdef';

export interface AbuseipdbServer {
  /** Without a path behind it. */
  url: string;
  /** `check 198.51.100.7`, in the order of arrival. */
  requests: string[];
  /** The score of an address; those that are not here have 0. */
  scores: Map<string, number>;
  /** Answers every request with this from now on; `hang` never answers; undefined to answer as AbuseIPDB does. */
  answerWith(answer: { status: number; headers?: Record<string, string>; body?: string } | 'hang' | undefined): void;
  close(): Promise<void>;
}

/** Answers as https://docs.abuseipdb.com says, with a plan of so many checks a day. */
export async function startAbuseipdb({ daily = 1_000 } = {}): Promise<AbuseipdbServer> {
  const requests: string[] = [];
  const scores = new Map<string, number>();
  let fixed: Parameters<AbuseipdbServer['answerWith']>[0];
  let left = daily;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    const call = url.pathname.replace('/api/v2/', '');
    const subject = url.searchParams.get('ipAddress') ?? url.searchParams.get('network') ?? '';
    requests.push(`${call} ${subject}`);
    if (fixed === 'hang') return;
    if (fixed !== undefined) return void response.writeHead(fixed.status, fixed.headers).end(fixed.body ?? '');
    if (request.headers.key !== ABUSEIPDB_KEY)
      return fail(response, 401, 'Authentication failed. Your API key is either missing, incorrect, or revoked.');
    if (request.headers.accept !== 'application/json') return void response.writeHead(200).end('<html>');
    if (!/^\d{1,3}$/.test(url.searchParams.get('maxAgeInDays') ?? ''))
      return fail(response, 422, 'The max age is wrong.');
    if (left === 0)
      return fail(response, 429, `Daily rate limit of ${daily} requests exceeded for this endpoint.`, {
        'retry-after': '29241',
        'x-ratelimit-limit': String(daily),
        'x-ratelimit-remaining': '0',
      });
    left--;
    const limits = { 'x-ratelimit-limit': String(daily), 'x-ratelimit-remaining': String(left) };
    if (call === 'check') {
      const data = {
        ipAddress: subject,
        isPublic: true,
        isWhitelisted: null,
        abuseConfidenceScore: scores.get(subject) ?? 0,
        countryCode: 'DE',
        totalReports: scores.has(subject) ? 7 : 0,
      };
      return succeed(response, { data }, limits);
    }
    if (call === 'check-block') {
      const front = subject.slice(0, subject.lastIndexOf('.') + 1);
      const reportedAddress = [...scores]
        .filter(([ip]) => ip.startsWith(front))
        .map(([ipAddress, abuseConfidenceScore]) => ({ ipAddress, numReports: 1, abuseConfidenceScore }));
      return succeed(response, { data: { networkAddress: subject, reportedAddress } }, limits);
    }
    return fail(response, 404, 'Not found');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/api/v2`,
    requests,
    scores,
    answerWith(answer) {
      fixed = answer;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function succeed(response: ServerResponse, body: object, headers: Record<string, string>): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** https://docs.abuseipdb.com/#errors */
function fail(response: ServerResponse, status: number, detail: string, headers: Record<string, string> = {}): void {
  const body = JSON.stringify({ errors: [{ detail, status }] });
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}
