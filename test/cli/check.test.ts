import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { startEngine } from '../support/docker-engine.ts';
import { FAIL2BAN_SOCKET, startFail2banContainer } from '../support/fail2ban-container.ts';
import { API_KEY, startMailcowApi } from '../support/mailcow-api-server.ts';
import { mmdbOf } from '../support/mmdb-writer.ts';
import { cowbell } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

/** `cowbell check` with a configuration that has this in it. */
async function check(yaml: string, socket = 'none.sock') {
  const folder = tempDir();
  const file = join(folder, 'cowbell.yaml');
  const common = `host: mail.example.org\nstate: ${folder}/cowbell.db\nnotifiers: [{type: console}]\n`;
  writeFileSync(file, `${common}docker: {socket: ${socket}}\n${yaml}`);
  return await cowbell(['check', '-c', file]);
}

describe("check tries mailcow's API", () => {
  async function startApi() {
    const server = await startMailcowApi({ clock: systemClock });
    onTestFinished(() => server.close());
    return { server, yaml: `mailcow_api: {url: '${server.address.url.reveal()}', key: ${API_KEY}}\n` };
  }

  it('and says what it found there, in one call', async () => {
    const { server, yaml } = await startApi();
    server.ban('1.2.3.4/32', 600);
    server.denylist = ['45.9.20.0/24'];
    const { code, out } = await check(yaml);
    expect(code).toBe(0);
    expect(out).toContain("ok    redis: not configured: mailcow's API is asked instead\n");
    expect(out).toContain("ok    mailcow_api: mailcow's API answers: 1 ban, 1 denylist entry\n");
    expect(out).toContain("ok    watcher netfilter: reads mailcow's API\n");
    expect(out).toContain("ok    watcher mailcow-api: reads mailcow's API\n");
    expect(server.requests).toEqual(['get/fail2ban']);
  });

  it('and says what to do, with no word of the key, where that fails', async () => {
    const { server, yaml } = await startApi();
    server.answerWith({ status: 401, body: '{"type":"error","msg":"authentication failed"}' });
    const refused = await check(yaml);
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/^FAIL {2}mailcow_api: mailcow refuses the API key: it is wrong, .* mailcow_api\.key/m);
    expect(server.failedLogins()).toBe(1);
    server.answerWith({ status: 200, body: '<html><title>Maintenance</title></html>' });
    expect((await check(yaml)).out).toMatch(/^FAIL {2}mailcow_api: a web page answers .*“Maintenance”/m);
    await server.close();
    const away = await check(yaml);
    expect(away.out).toContain('FAIL  mailcow_api: no connection: ECONNREFUSED\n');
    expect(refused.out + refused.err + away.out + away.err).not.toContain(API_KEY);
  });

  it('and says that a watcher of it has no address', async () => {
    const { err, code } = await check('watchers: [{type: mailcow-api}, {type: netfilter, from: api}]\n');
    expect(code).toBe(78);
    expect(err).toContain('watchers[0].type: "mailcow-api" needs `mailcow_api`');
    expect(err).toContain('watchers[1].from: "api" needs `mailcow_api`');
  });
});

describe('check opens the databases of origins', () => {
  it('and says what they are and how old, or what is wrong with them', async () => {
    const path = join(tempDir(), 'asn.mmdb');
    writeFileSync(
      path,
      mmdbOf([['45.0.0.0/8', { asn: 'AS64500' }]], { type: 'My-\u001b[31mASN', builtAt: Date.now() }),
    );
    const { out } = await check(`enrich: {files: [${path}]}\n`);
    const today = new Date().toISOString().slice(0, 10);
    expect(out).toContain(`ok    enrich: ${path}, My- [31mASN of ${today}\n`);
    expect(out).toMatch(/^ok {4}enrich: the database that comes with cowbell, country \S+ of 2026-\d\d-\d\d/m);
    writeFileSync(path, mmdbOf([], { builtAt: Date.now() - 200 * 86_400_000 }));
    expect((await check(`enrich: {files: [${path}], shipped: false}\n`)).out).toMatch(/: 200 days old, a newer one/);
    writeFileSync(path, 'x');
    const bad = await check(`enrich: {files: [${path}, /none.mmdb]}\n`);
    expect(bad.out).toContain(`FAIL  enrich: ${path}: it is no MMDB file, or not all of it\n`);
    expect(bad.out).toContain('FAIL  enrich: /none.mmdb: ENOENT: no such file or directory');
    expect(bad.code).toBe(1);
    expect((await check('enrich: {shipped: false}\n')).out).toContain('ok    enrich: off: nobody knows');
  });
});

describe('check tries fail2ban-client', () => {
  it('and says which jails it found, or what is wrong', { timeout: 180_000 }, async () => {
    const engine = await startEngine();
    onTestFinished(() => engine.close());
    const fail2ban = await startFail2banContainer(engine, tempDir(), { jails: { sshd: 600 }, timeZone: 'UTC' });
    await fail2ban.ready();
    await fail2ban.client('set', 'sshd', 'banip', '203.0.113.7');
    const ask = (more: string) => check(`watchers: [{type: fail2ban-client${more}}]\n`, engine.socket);
    const { out, code } = await ask(`, socket: ${FAIL2BAN_SOCKET}`);
    expect(code).toBe(0);
    expect(out).toContain('ok    watcher fail2ban-client: reads the container mailstack-fail2ban-1\n');
    expect(out).toContain('ok    watcher fail2ban-client: fail2ban answers: 1 jail: sshd (1)\n');
    expect((await ask(', socket: /nowhere.sock')).out).toMatch(
      /^FAIL {2}watcher fail2ban-client: fail2ban does not run in fail2ban, .*`socket`$/m,
    );
  });
});
