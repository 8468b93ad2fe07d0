import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ABUSEIPDB_KEY, type AbuseipdbServer, startAbuseipdb } from '../support/abuseipdb-server.ts';
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
