import { execFileSync } from 'node:child_process';
import { copyFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Ip, parseIp } from '../../src/core/network.ts';
import { createOrigins } from '../../src/origins/origins.ts';
import { mmdbOf, type Written } from '../support/mmdb-writer.ts';
import { createRecordingLogger } from '../support/recording-logger.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';

function open(files: readonly string[], { shipped = false } = {}) {
  const clock = createTestClock(Date.now());
  const logger = createRecordingLogger();
  const origins = createOrigins({ files, shipped }, { clock, logger });
  onTestFinished(() => origins.close());
  return { clock, logger, states: origins.states, originOf: (ip: string) => origins.originOf(parseIp(ip) as Ip) };
}

function fileOf(records: Record<string, Written>, name = 'a.mmdb'): string {
  const path = join(tempDir(), name);
  writeFileSync(path, mmdbOf(Object.entries(records)));
  return path;
}

describe('the database that comes with cowbell', () => {
  it.each([
    ['8.8.8.8', 'US'],
    ['9.9.9.9', 'US'],
    ['193.0.6.139', 'NL'],
    ['131.111.8.46', 'GB'],
    ['129.132.1.1', 'CH'],
    ['133.11.0.1', 'JP'],
    ['200.160.2.3', 'BR'],
    ['139.130.4.5', 'AU'],
    ['77.88.8.8', 'RU'],
    ['166.111.1.1', 'CN'],
    ['::ffff:8.8.8.8', 'US'],
    ['2001:4860:4860::8888', 'US'],
    ['2001:67c:2e8:22::c100:68b', 'NL'],
    ['2a01:4f8::1', 'DE'],
    ['2001:620::1', 'CH'],
  ])('knows that %s is in %s', (ip, country) => {
    expect(open([], { shipped: true }).originOf(ip)).toEqual({ country });
  });

  it.each(['10.0.0.1', '172.22.1.14', '192.168.1.1', '127.0.0.1', '100.64.0.1', '203.0.113.7', '224.0.0.1', '0.0.0.0'])(
    'is not asked about %s, which is nowhere',
    (ip) => expect(open([], { shipped: true }).originOf(ip)).toEqual({}),
  );

  it.each(['::1', '::', 'fe80::1', 'fd4d:6169:6c63:6f77::14', '2001:db8::1', '::ffff:192.168.1.1'])(
    'is not asked about %s, which is nowhere',
    (ip) => expect(open([], { shipped: true }).originOf(ip)).toEqual({}),
  );
});

const NAMES = { en: 'Netherlands', de: 'Niederlande', ja: 'オランダ王国', ru: 'Нидерланды' };

describe('a database of a maker', () => {
  it.each<[string, Written, object]>([
    [
      'GeoLite2-Country',
      {
        continent: { code: 'EU', geoname_id: 6_255_148, names: NAMES },
        country: { geoname_id: 2_750_405, is_in_european_union: true, iso_code: 'NL', names: NAMES },
        registered_country: { geoname_id: 2_921_044, iso_code: 'DE', names: NAMES },
      },
      { country: 'NL' },
    ],
    ['GeoLite2-Country, of anycast', { registered_country: { iso_code: 'US', names: NAMES } }, { country: 'US' }],
    [
      'GeoLite2-City',
      {
        city: { geoname_id: 2_759_794, names: NAMES },
        country: { iso_code: 'NL', names: NAMES },
        location: { accuracy_radius: 20, latitude: 52.37, longitude: 4.89, time_zone: 'Europe/Amsterdam' },
        postal: { code: '1011' },
        subdivisions: [{ geoname_id: 2_749_879, iso_code: 'NH', names: NAMES }],
      },
      { country: 'NL' },
    ],
    [
      'GeoLite2-ASN and DB-IP ASN Lite',
      { autonomous_system_number: 15_169, autonomous_system_organization: 'GOOGLE' },
      { asn: 15_169, asName: 'GOOGLE' },
    ],
    [
      'GeoIP2-Enterprise',
      {
        country: { iso_code: 'NL' },
        traits: { autonomous_system_number: 64_500, autonomous_system_organization: 'Net' },
      },
      { country: 'NL', asn: 64_500, asName: 'Net' },
    ],
    ['DB-IP Country Lite', { continent: { code: 'EU' }, country: { iso_code: 'NL', names: NAMES } }, { country: 'NL' }],
    [
      'IPinfo Lite',
      {
        asn: 'AS15169',
        as_name: 'Google LLC',
        as_domain: 'google.com',
        continent: 'North America',
        continent_code: 'NA',
        country: 'United States',
        country_code: 'US',
      },
      { country: 'US', asn: 15_169, asName: 'Google LLC' },
    ],
    [
      'IPinfo Country ASN',
      { asn: 'AS15169', as_name: 'Google LLC', as_domain: 'google.com', country: 'US', country_name: 'United States' },
      { country: 'US', asn: 15_169, asName: 'Google LLC' },
    ],
    ['IPinfo ASN', { asn: 'AS3333', name: 'RIPE NCC', domain: 'ripe.net' }, { asn: 3_333, asName: 'RIPE NCC' }],
    ['ip-location-db', { country_code: 'NL' }, { country: 'NL' }],
    ['nobody we know', { somewhere: 'else', country: ['NL'], asn: { of: 'what' } }, {}],
    ['nobody, as it holds text', 'NL', {}],
    ['one that does not know', { country_code: 'ZZ', asn: 'AS0', as_name: 'nobody' }, {}],
    [
      'one with numbers that are none',
      { autonomous_system_number: 2 ** 33, autonomous_system_organization: 'x', country_code: 'nl' },
      {},
    ],
    [
      'somebody who registered a name to be shown',
      { asn: 'AS64500', as_name: `<!channel>\n\u202e${'x'.repeat(500)}` },
      { asn: 64_500, asName: `<!channel> ${'x'.repeat(52)}…` },
    ],
  ])('of %s is understood', (_, record, origin) => {
    expect(open([fileOf({ '45.0.0.0/8': record })]).originOf('45.1.2.3')).toEqual(origin);
  });

  it('is completed by the next one, and at last by the one that comes with cowbell', () => {
    const asn = fileOf({ '8.8.8.0/24': { autonomous_system_number: 64_500, autonomous_system_organization: 'Net' } });
    const country = fileOf({ '8.8.8.8/32': { country_code: 'NL', asn: 'AS64501', as_name: 'Other' } });
    const { originOf } = open([asn, country], { shipped: true });
    expect(originOf('8.8.8.8')).toEqual({ country: 'NL', asn: 64_500, asName: 'Net' });
    expect(originOf('8.8.8.9')).toEqual({ country: 'US', asn: 64_500, asName: 'Net' });
    expect(originOf('193.0.6.139')).toEqual({ country: 'NL' });
  });

  it('of IPv4 alone knows nothing of IPv6', () => {
    const path = fileOf({});
    writeFileSync(path, mmdbOf([['45.0.0.0/8', { country_code: 'NL' }]], { ipVersion: 4 }));
    const { originOf } = open([path]);
    expect([originOf('45.1.1.1'), originOf('2a01:4f8::1')]).toEqual([{ country: 'NL' }, {}]);
  });
});

const IN = (country: string): Buffer => mmdbOf([['45.0.0.0/8', { country_code: country }]]);

/** So that it was not written to just now. */
function age(path: string, clock: { now(): number }): void {
  const seconds = (clock.now() - 60_000) / 1_000;
  utimesSync(path, seconds, seconds);
}

describe('a file that is exchanged', () => {
  it('is read anew, whether another takes its name or it is written over', async () => {
    const path = fileOf({});
    writeFileSync(path, IN('DE'));
    const { originOf, clock, logger } = open([path]);
    expect(originOf('45.1.1.1')).toEqual({ country: 'DE' });
    writeFileSync(`${path}.new`, IN('NL'));
    age(`${path}.new`, clock);
    renameSync(`${path}.new`, path);
    await clock.advance(1_000);
    expect(originOf('45.1.1.1')).toEqual({ country: 'NL' });
    writeFileSync(path, IN('FR'));
    await clock.advance(5_000);
    // Whatever was open is not read across the change.
    expect(originOf('45.1.1.1')).toEqual({ country: 'FR' });
    expect(logger.told()).toEqual(Array(2).fill('info: another database of origins is used'));
  });

  it('is not used while it is being written to', async () => {
    const path = fileOf({});
    writeFileSync(path, IN('DE'));
    const { originOf, clock, logger } = open([path]);
    expect(originOf('45.1.1.1')).toEqual({ country: 'DE' });
    truncateSync(path, 100);
    expect(originOf('45.1.1.1')).toEqual({});
    await clock.advance(1_000);
    expect(originOf('45.1.1.1')).toEqual({});
    writeFileSync(path, IN('NL'));
    expect(originOf('45.1.1.1')).toEqual({});
    await clock.advance(1_000);
    expect(originOf('45.1.1.1')).toEqual({});
    await clock.advance(2_000);
    expect(originOf('45.1.1.1')).toEqual({ country: 'NL' });
    expect(logger.told()).toEqual(['info: another database of origins is used']);
  });

  it('was written over within one look: what was read before is not mixed with it', async () => {
    const path = fileOf({});
    writeFileSync(path, IN('DE'));
    age(path, { now: Date.now });
    const { originOf } = open([path]);
    expect(originOf('45.1.1.1')).toEqual({ country: 'DE' });
    const { size } = statSync(path);
    writeFileSync(path, IN('NL'), { flag: 'r+' });
    expect(statSync(path).size).toBe(size);
    expect(originOf('45.1.1.1')).toEqual({});
  });

  it('that is bad leaves the one before in use, and is told once', async () => {
    const path = fileOf({});
    writeFileSync(path, IN('DE'));
    const { originOf, clock, logger } = open([path]);
    writeFileSync(`${path}.new`, IN('NL').subarray(0, 200));
    age(`${path}.new`, clock);
    renameSync(`${path}.new`, path);
    for (let looks = 0; looks < 3; looks++) {
      await clock.advance(1_000);
      expect(originOf('45.1.1.1')).toEqual({ country: 'DE' });
    }
    expect(logger.told()).toEqual(['warn: a database of origins cannot be used: the one before it is used on']);
    expect(logger.records[0]?.fields).toEqual({ file: path, reason: 'it is no MMDB file, or not all of it' });
  });

  it('may be away for a while', async () => {
    const path = fileOf({ '45.0.0.0/8': { country_code: 'DE' } });
    const { originOf, clock } = open([path]);
    copyFileSync(path, `${path}.old`);
    rmSync(path);
    await clock.advance(10_000);
    expect(originOf('45.1.1.1')).toEqual({ country: 'DE' });
  });
});

describe('a file that cannot be used', () => {
  it('is told once, and used when it is there', async () => {
    const path = join(tempDir(), 'late.mmdb');
    const { originOf, clock, logger, states } = open([path], { shipped: true });
    expect(logger.told()).toEqual(['warn: a database of origins cannot be used: alerts go out without what it knows']);
    expect(states()[0]).toEqual({ path, isShipped: false, problem: expect.stringMatching(/^ENOENT: no such file/) });
    for (let looks = 0; looks < 3; looks++) {
      await clock.advance(1_000);
      // The other one answers all the same.
      expect(originOf('193.0.6.139')).toEqual({ country: 'NL' });
    }
    expect(logger.told()).toHaveLength(1);
    writeFileSync(path, mmdbOf([['193.0.0.0/16', { country_code: 'CH' }]], { type: 'Mine', builtAt: 5_000 }));
    age(path, clock);
    await clock.advance(1_000);
    expect(originOf('193.0.6.139')).toEqual({ country: 'CH' });
    expect(states()[0]).toEqual({ path, isShipped: false, type: 'Mine', builtAt: 5_000 });
  });

  it('is a folder, or a pipe into which nobody writes', () => {
    const pipe = join(tempDir(), 'pipe.mmdb');
    execFileSync('mkfifo', [pipe]);
    const { states, originOf } = open([tempDir(), pipe]);
    expect(states()).toMatchObject(Array.from({ length: 2 }, () => ({ problem: 'it is no regular file' })));
    expect(originOf('45.1.1.1')).toEqual({});
  });

  it('is damaged in one place: what it says there is left out and told once', () => {
    const path = fileOf({});
    const content = mmdbOf([
      ['45.0.0.0/8', { country_code: 'DE' }],
      ['46.0.0.0/8', { country_code: 'NL' }],
    ]);
    // Where the first record begins, something that the format does not have.
    content[content.indexOf('Lcountry_code') - 1] = 0;
    writeFileSync(path, content);
    const { originOf, logger } = open([path]);
    expect([originOf('45.1.1.1'), originOf('45.1.1.2'), originOf('46.1.1.1')]).toEqual([{}, {}, { country: 'NL' }]);
    expect(logger.told()).toEqual(['warn: a database of origins is damaged: what it says there is left out']);
  });
});
