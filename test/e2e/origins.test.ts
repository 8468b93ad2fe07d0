import { renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { mmdbOf } from '../support/mmdb-writer.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { tempDir } from '../support/temp-dir.ts';

let stack: NetfilterStack;

beforeAll(async () => {
  stack = await startStack({ chatIntervalMs: 0 });
  await stack.startNetfilter();
}, 60_000);

afterAll(() => stack?.close(), 60_000);

async function ban(ip: string): Promise<void> {
  await stack.print(
    `2026-11-23 12:00:00 WARN: ${ip} matched rule id 3 (warning: unknown[${ip}]: SASL LOGIN authentication failed: x, sasl_username=a@example.org)`,
    `2026-11-23 12:00:00 CRIT: Banning ${ip}/32 for 30 minutes`,
  );
  await stack.redis.client.hset('F2B_ACTIVE_BANS', `${ip}/32`, String(Math.ceil(Date.now() / 1_000) + 1_800));
}

const offenderOf = (ip: string) =>
  stack
    .events()
    .flatMap((event) => (event.type === 'ban.started' ? event.ban.offenders : []))
    .find((offender) => offender.ip === ip);

const networks = (path: string, asName: string) => {
  const record = { autonomous_system_number: 3_333, autonomous_system_organization: asName };
  writeFileSync(`${path}.new`, mmdbOf([['193.0.0.0/16', record]]));
  utimesSync(`${path}.new`, 1_000, 1_000);
  renameSync(`${path}.new`, path);
};

describe('where offenders are from', () => {
  it('is in every alert, by a database that may be exchanged while cowbell runs', { timeout: 120_000 }, async () => {
    const path = join(tempDir(), 'asn.mmdb');
    networks(path, 'RIPE NCC');
    const settings = `  - {type: console, name: dutch, filter: {countries: [NL]}}\nenrich: {files: ['${path}']}\nwatchers: [{type: netfilter}, {type: redis}]`;
    const cowbell = await stack.startCowbell(settings);
    await ban('193.0.6.139');
    await eventually(() => {
      expect(offenderOf('193.0.6.139')).toMatchObject({ country: 'NL', asn: 3_333, as_name: 'RIPE NCC', attempts: 1 });
    });
    const said = 'Netherlands, RIPE NCC (AS3333)';
    for (const chat of [stack.slack, stack.discord]) {
      await eventually(() => expect(chat.requests.some(({ body }) => body.includes(said))).toBe(true));
    }
    await ban('8.8.8.8');
    await eventually(() => expect(offenderOf('8.8.8.8')).toMatchObject({ country: 'US' }));
    networks(path, 'Another Name');
    await eventually(async () => {
      const ip = `193.0.7.${10 + stack.events().length}`;
      await ban(ip);
      await eventually(() => expect(offenderOf(ip)).toBeDefined());
      expect(offenderOf(ip)).toMatchObject({ country: 'NL', as_name: 'Another Name' });
    });
    const { output } = await stack.cowbell('bans', '--json');
    expect(output).toContain('"country":"NL","asn":3333,"as_name":"RIPE NCC"');
    await eventually(() => expect(cowbell.output()).toContain(` ${said}\n`));
    // Nobody is in the Netherlands who is not.
    expect(cowbell.output()).not.toMatch(/From +United States/);
  });
});
