import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ABUSEIPDB_KEY, type AbuseipdbServer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { startDns } from '../support/dns-server.ts';
import { cowbell } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

let server: AbuseipdbServer;
let file: string;
beforeEach(async () => {
  server = await startAbuseipdb();
  const folder = tempDir();
  file = join(folder, 'cowbell.yaml');
  const reputation = `{abuseipdb: {key: ${ABUSEIPDB_KEY}, url: '${server.url}'}}`;
  writeFileSync(file, `state: ${folder}/c.db\nnotifiers: [{type: console}]\nreputation: ${reputation}\n`);
});
afterEach(() => server.close());

const ask = (...args: string[]) => cowbell(['reputation', ...args, '-c', file]);

it('reputation shows what is known of an address, and asks once', async () => {
  server.scores.set('45.8.0.7', 83);
  const { code, out } = await ask('45.8.0.7');
  expect(code).toBe(0);
  expect(out).toMatch(/^SOURCE +SCORE +REPORTS +COUNTRY +ASKED +WHY\nabuseipdb +83 of 100 +7 +DE +\d{4}-\S+Z +-\n$/);
  const json = JSON.parse((await ask('45.8.0.7', '--json')).out) as object;
  expect(json).toMatchObject({ subject: '45.8.0.7', opinions: [{ source: 'abuseipdb', score: 83 }], problems: [] });
  expect(server.requests).toEqual(['check 45.8.0.7']);
  expect((await ask('45.8.0.0/24')).out).toContain('83 of 100');
});

it('reputation says why nothing is known', async () => {
  expect(await ask('10.0.0.1')).toMatchObject({
    code: 0,
    out: expect.stringContaining('nobody says anything of 10.0.0.1'),
  });
  server.answerWith({ status: 401, body: '{"errors":[{"detail":"wrong","status":401}]}' });
  const refused = await ask('45.8.0.7');
  expect(refused).toMatchObject({
    code: 1,
    err: expect.stringContaining('AbuseIPDB refuses the key: HTTP 401: wrong'),
  });
  expect(refused.err + refused.out).not.toContain(ABUSEIPDB_KEY);
  expect((await ask('nowhere')).err).toContain('"nowhere" is no address');
  writeFileSync(file, `state: ${tempDir()}/c.db\nnotifiers: [{type: console}]\n`);
  expect((await ask('45.8.0.7')).err).toContain('nobody is configured to be asked');
});

it('check tries everybody who can be asked, and says what that cost', async () => {
  const folder = tempDir();
  const list = join(folder, 'networks.txt');
  writeFileSync(list, '45.8.0.0/16 30\n');
  const dns = await startDns(['bl.test'], { '2.0.0.127.bl.test': ['127.0.0.2'] });
  try {
    const configure = (abuseipdb: object, dnsbl: object) => {
      const reputation = { abuseipdb: { url: server.url, ...abuseipdb }, dnsbl, networks: { file: list } };
      const rest = { state: `${folder}/c.db`, watchers: [{ type: 'redis' }], redis: { url: 'redis://127.0.0.1:1' } };
      writeFileSync(file, JSON.stringify({ ...rest, notifiers: [{ type: 'console' }], reputation }));
      return cowbell(['check', '-c', file]);
    };
    const good = await configure({ key: ABUSEIPDB_KEY }, { zones: [{ zone: 'bl.test' }], servers: [dns.address] });
    expect(good.out.split('\n').filter((line) => line.includes('reputation'))).toEqual([
      "ok    reputation abuseipdb: answers, and takes the key; this was one of today's checks, 1 of 1,000 are used",
      "ok    reputation dnsbl: 1 list answers; 0 of 10,000 of today's lookups are used",
      `ok    reputation networks: ${list} holds 1 network`,
    ]);
    expect(server.requests).toEqual(['check 127.0.0.1']);
    const bad = await configure({ key: 'wrong-key-77a1' }, { zones: [{ zone: 'bl.testt' }], servers: [dns.address] });
    expect(bad).toMatchObject({ code: 1 });
    expect(bad.out).toMatch(/FAIL {2}reputation abuseipdb: AbuseIPDB refuses the key: HTTP 401: Authentication failed/);
    expect(bad.out).toMatch(/FAIL {2}reputation dnsbl: bl\.testt: the DNS server refuses to find out/);
    expect(bad.out + bad.err).not.toContain('wrong-key-77a1');
  } finally {
    await dns.close();
  }
});

it('a file of networks with mistakes is told with its lines, before anything runs', async () => {
  const list = join(tempDir(), 'networks.txt');
  writeFileSync(list, '45.8.0.0/16 30\nnonsense\n');
  writeFileSync(file, `notifiers: [{type: console}]\nreputation:\n  networks:\n    file: ${list}\n`);
  const { code, err } = await cowbell(['check', '-c', file]);
  expect(code).toBe(78);
  expect(err).toContain(`${file}:4:11: reputation.networks.file: ${list}: line 2: "nonsense" is no address`);
});
