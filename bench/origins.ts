import { mkdtempSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/core/clock.ts';
import { type Ip, isPublic, parseIp } from '../src/core/network.ts';
import { createOrigins } from '../src/origins/origins.ts';
import { eventually } from '../test/support/eventually.ts';
import { writeLargeMmdb } from '../test/support/large-mmdb.ts';
import { type NetfilterStack, startStack } from '../test/support/netfilter-stack.ts';
import { SILENT } from '../test/support/recorder-harness.ts';
import { residentMib } from './process-figures.ts';
import { median, percentile, type Row } from './row.ts';

const LOOKUPS = 20_000;
const RUNS = 5;
const BANS = 1_000;
const SETTLE_MS = 5_000;
/** One record for each /22. */
const DEPTH = 22;

/** What it takes to say where an offender is from: time for each ban, and memory, whatever the size of the file. */
export async function benchOrigins(program: string[]): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  try {
    const path = join(folder, 'large.mmdb');
    writeLargeMmdb(path, DEPTH);
    const megabytes = Math.round(statSync(path).size / 1e6);
    return [
      timeRow('the database that comes with it', { files: [], shipped: true }),
      timeRow(`a file of ${megabytes} MB`, { files: [path], shipped: false }),
      await memoryRow(program, path, megabytes),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In processor time, which no neighbour adds to; the figure in brackets is what a watch would show. */
function timeRow(name: string, options: { files: string[]; shipped: boolean }): Row {
  const origins = createOrigins(options, { clock: systemClock, logger: SILENT });
  const ips = Array.from({ length: LOOKUPS }, randomIp);
  const times = new Float64Array(LOOKUPS);
  const means = Array.from({ length: RUNS }, () => {
    const before = process.cpuUsage();
    for (const [index, ip] of ips.entries()) {
      const startedAt = performance.now();
      origins.originOf(ip);
      times[index] = performance.now() - startedAt;
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / LOOKUPS;
  });
  const known = ips.filter((ip) => origins.originOf(ip).country !== undefined).length;
  if (known < LOOKUPS * 0.9) throw new Error(`of ${LOOKUPS} addresses only ${known} are known`);
  origins.close();
  const mean = median(means);
  const us = percentile([...times], 0.5) * 1_000;
  return {
    what: `what it adds to a ban to say where its offender is from, by ${name}`,
    goal: '≤ 50 µs',
    figure: `${mean.toFixed(0)} µs of processor time (${us.toFixed(0)} µs, p50)`,
    isMet: mean <= 50,
  };
}

function randomIp(): Ip {
  for (;;) {
    const ip = parseIp([0, 0, 0, 0].map(() => Math.floor(Math.random() * 256)).join('.'));
    if (ip !== undefined && isPublic(ip)) return ip;
  }
}

/** The same bans, told to the same receivers, by a daemon of its own each time. */
async function memoryRow(program: string[], path: string, megabytes: number): Promise<Row> {
  const [none = 0, noneLater = 0] = await residentAfterBans(program, 'enrich: {shipped: false}');
  const [shipped = 0] = await residentAfterBans(program, 'enrich: {shipped: true}');
  const settings = `enrich: {shipped: false, files: ['${path}']}`;
  const [large = 0, exchanged = 0] = await residentAfterBans(program, settings, () => {
    writeLargeMmdb(`${path}.new`, DEPTH);
    utimesSync(`${path}.new`, 1_000, 1_000);
    renameSync(`${path}.new`, path);
  });
  const more = [shipped - none, large - none, exchanged - noneLater];
  return {
    what: `memory that it takes, after ${BANS} bans: the database that comes with it, a file of ${megabytes} MB, another in its place`,
    goal: '≤ 10 MB, however large the file is',
    figure: `${more.map((mib) => `${mib.toFixed(0)} MB`).join(', ')} (beside ${none.toFixed(0)} MB)`,
    isMet: more.every((mib) => mib <= 10),
  };
}

async function residentAfterBans(program: string[], settings: string, exchange = () => {}): Promise<number[]> {
  const stack = await startStack({ program, withEngine: false });
  try {
    await stack.redis.client.set('F2B_OPTIONS', '{}');
    const cowbell = await stack.startCowbell(`watchers: [{type: redis}]\n${settings}`);
    const resident = async (first: number) => {
      await banMany(stack, first);
      await sleep(SETTLE_MS);
      return residentMib(cowbell.pid);
    };
    const before = await resident(0);
    exchange();
    return [before, await resident(BANS)];
  } finally {
    await stack.close();
  }
}

/** Addresses from all over the world, no two from one /16. */
async function banMany(stack: NetfilterStack, first: number): Promise<void> {
  const until = String(Math.ceil(Date.now() / 1_000) + 1_800);
  const ips = Array.from({ length: 256 * 256 }, (_, n) => `${n >> 8}.${n & 255}.7.9` as Ip).filter(isPublic);
  const step = Math.floor(ips.length / (2 * BANS));
  const fields = Array.from({ length: BANS }, (_, n) => [`${ips[(first + n) * step]}/32`, until]);
  await stack.redis.client.hset('F2B_ACTIVE_BANS', ...(fields.flat() as [string, string]));
  await eventually(
    () => {
      const told = stack.events().flatMap((event) => (event.type === 'ban.started' ? [event.ban.network] : []));
      if (new Set(told).size < first + BANS) throw new Error(`${told.length} told`);
    },
    { timeoutMs: 180_000, everyMs: 500 },
  );
}
