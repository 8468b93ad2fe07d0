import { PassThrough } from 'node:stream';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { messageOf, PermanentError, TransientError } from '../../src/core/errors.ts';
import type { Ip } from '../../src/core/network.ts';
import type { ReputationTools } from '../../src/core/reputation.ts';
import { type ClosableHttpClient, createHttpClient } from '../../src/http/client.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { createLogger } from '../../src/ops/logger.ts';
import { net } from '../support/recorder-harness.ts';
import { BAD, definitions, SECRETS, type SourceRig, startSource } from './source-rig.ts';

const never = new AbortController().signal;
const NOW = Date.parse('2026-11-23T12:00:00Z');
const ip = (text: string) => text as Ip;
const clock = { now: () => NOW, sleep: async () => {} };

const PRIVATE = ['127.0.0.1', '10.1.2.3', '192.168.0.1', '172.22.1.1', '100.64.0.1', '169.254.1.1', '203.0.113.7'];
const PRIVATE_IPV6 = ['::1', 'fd00::1', 'fe80::1', '2001:db8::1', 'ff02::1'];

let http: ClosableHttpClient;
beforeAll(() => {
  http = createHttpClient({ userAgent: 'cowbell/test' });
});
afterAll(() => http.close());

/** In every way that a thing may come to light. */
async function everyPrint(thing: unknown): Promise<string> {
  const lines = new PassThrough().setEncoding('utf8');
  const logger = await createLogger({ level: 'debug', format: 'json', stream: lines });
  logger.error({ err: thing, thing }, 'it failed');
  const shown = inspect(thing, { depth: 12, showHidden: true, getters: true });
  return [shown, JSON.stringify(thing), String(thing), messageOf(thing), String(lines.read() ?? '')].join('\n');
}

function expectNoSecret(printed: string): void {
  for (const secret of SECRETS) expect(printed).not.toContain(secret);
}

it('each source has a name of its own', () => {
  expect(new Set(definitions.map(({ type }) => type)).size).toBe(definitions.length);
});

describe.each(definitions.map((definition) => [definition.type, definition] as const))('%s', (type, definition) => {
  let rig: SourceRig;
  beforeAll(async () => {
    rig = await startSource(type);
  });
  afterAll(() => rig.close());

  const create = (options: object, tools: Partial<ReputationTools> = {}) => {
    const budget = openLedger(':memory:', () => NOW).budgets.of(type);
    return definition.create(definition.options.parse(options), { http, clock, budget, ...tools });
  };

  it('describes itself and each option', () => {
    expect(definition.summary).toMatch(/\w/);
    for (const [name, field] of Object.entries(definition.options.shape)) {
      expect.soft(field.description, name).toMatch(/\w/);
    }
  });

  it('is configured below `reputation`, strictly', () => {
    const configure = (options: object) =>
      parseConfig(JSON.stringify({ notifiers: [{ type: 'console' }], reputation: { [type]: options } }), { env: {} });
    expect(configure(rig.options).reputation[type]).toMatchObject({});
    expect(() => configure({ ...rig.options, nonsense: 1 })).toThrow(/nonsense/);
  });

  it('opens nothing when it is made', () => {
    const unused = () => expect.unreachable('it was used');
    const budget = { take: unused, spend: unused, used: unused };
    const source = create(rig.options, { http: { send: unused }, clock: { now: unused, sleep: unused }, budget });
    expect(source.name).toBe(type);
    expect(source.cacheMs).toBeGreaterThanOrEqual(0);
  });

  it('has an opinion under its own name, and says so when it is tried', async () => {
    const source = create(rig.options);
    const opinion = await source.lookUp(BAD, never);
    expect(opinion).toMatchObject({ source: type, checkedAt: NOW });
    expect(opinion?.score).toBeGreaterThanOrEqual(90);
    expect(opinion?.score).toBeLessThanOrEqual(100);
    expect(await source.probe(never)).toMatch(/\w/);
  });

  it('tells nobody of an address that is not public, and takes nothing of its budget for it', async () => {
    const before = rig.told().length;
    const unused = () => expect.unreachable('the budget was used');
    const source = create(rig.options, { budget: { take: unused, spend: unused, used: unused } });
    for (const address of [...PRIVATE, ...PRIVATE_IPV6])
      expect.soft(await source.lookUp(ip(address), never), address).toBeUndefined();
    for (const network of ['10.0.0.0/24', '192.168.1.0/24', 'fd00::/64'])
      expect.soft(await source.lookUpNetwork?.(net(network), never), network).toBeUndefined();
    expect(rig.told().length).toBe(before);
  });

  it('shows no secret, whatever goes wrong, and fails as the contract says', async () => {
    expectNoSecret(await everyPrint(create(rig.options)));
    expectNoSecret(await everyPrint(definition.options.parse(rig.options)));
    expect(rig.broken.length).toBeGreaterThan(0);
    for (const options of rig.broken) {
      const source = create(options);
      for (const failing of [source.lookUp(BAD, never), source.probe(never)]) {
        const error = await failing.then(
          () => expect.unreachable('it answered'),
          (thrown: unknown) => thrown,
        );
        expect([TransientError, PermanentError].some((kind) => error instanceof kind)).toBe(true);
        expectNoSecret(await everyPrint(error));
      }
    }
  });
});
