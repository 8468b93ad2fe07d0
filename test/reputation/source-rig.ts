import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ip } from '../../src/core/network.ts';
import type { ReputationDefinition } from '../../src/core/reputation.ts';
import { reversedName } from '../../src/reputation/dns-list.ts';
import { reputationDefinitions } from '../../src/reputation/registry.ts';
import { ABUSEIPDB_KEY, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { startDns, startOddDns } from '../support/dns-server.ts';

/** Every source, less what its options are. */
export const definitions = reputationDefinitions as unknown as readonly ReputationDefinition[];

/** Known to be bad by everybody here. */
export const BAD = '45.8.0.7' as Ip;

const LIST_KEY = 'l1stK3y-0badf00d';

/** What a configuration may hold for a source, and nobody may ever see. */
export const SECRETS = [ABUSEIPDB_KEY, LIST_KEY];

/** One source, with what it asks, for real. */
export interface SourceRig {
  /** As a configuration has them, with every secret that there can be. */
  options: Record<string, unknown>;
  /** The same, where there is no answer, or none that is one. */
  broken: readonly Record<string, unknown>[];
  /** What others were asked so far. */
  told: () => readonly string[];
  close(): Promise<void>;
}

const RIGS: Readonly<Record<string, () => Promise<SourceRig>>> = {
  async abuseipdb() {
    const server = await startAbuseipdb();
    server.scores.set(BAD, 90);
    const failing = await startAbuseipdb();
    // Some servers quote what they were asked with.
    failing.answerWith({
      status: 401,
      body: JSON.stringify({ errors: [{ detail: `no such key: ${ABUSEIPDB_KEY}` }] }),
    });
    const options = { key: ABUSEIPDB_KEY, url: server.url };
    return {
      options,
      broken: [
        { ...options, url: failing.url },
        { ...options, url: 'http://127.0.0.1:1/api' },
      ],
      told: () => server.requests,
      close: async () => void (await Promise.all([server.close(), failing.close()])),
    };
  },
  async dnsbl() {
    const zone = `${LIST_KEY}.bl.test`;
    const dns = await startDns(['bl.test'], {
      [`2.0.0.127.${zone}`]: ['127.0.0.2'],
      [`${reversedName(BAD)}.${zone}`]: ['127.0.0.2'],
    });
    const odd = await startOddDns(2);
    const options = { zones: [{ zone: 'bl.test', key: LIST_KEY }], servers: [dns.address] };
    return {
      options,
      broken: [
        { ...options, servers: [odd.address] },
        { ...options, zones: [{ zone: 'elsewhere.test', key: LIST_KEY }] },
      ],
      told: () => dns.asked(),
      close: async () => void (await Promise.all([dns.close(), odd.close()])),
    };
  },
  async networks() {
    const folder = mkdtempSync(join(tmpdir(), 'cb-'));
    const file = join(folder, 'networks.txt');
    writeFileSync(file, `${BAD} 90\n`);
    return {
      options: { file },
      broken: [{ file: join(folder, 'none') }],
      told: () => [],
      close: async () => rmSync(folder, { recursive: true }),
    };
  },
};

export function startSource(type: string): Promise<SourceRig> {
  const start = RIGS[type];
  if (start === undefined) throw new Error(`test/reputation/source-rig.ts has nothing to try ${type} with`);
  return start();
}
