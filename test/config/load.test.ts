import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { notifierDefinitions } from '../../src/notifiers/registry.ts';
import { tempDir } from '../support/temp-dir.ts';

const types = notifierDefinitions.map(({ type }) => type).join(', ');
const SLACK = 'notifiers: [{type: slack, url: "https://hooks.slack.com/services/T/B/tOkEn"}]\n';

function mistakes(text: string, env: Record<string, string> = {}): string[] {
  try {
    parseConfig(text, { env, file: 'cowbell.yaml' });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('a configuration', () => {
  it('needs no file: what mailcow has in its environment is enough', () => {
    const config = loadConfig({
      env: {
        COWBELL_SLACK_URL: 'https://hooks.slack.com/services/T/B/x',
        COWBELL_DISCORD_URL: 'https://discord.com/api/webhooks/1/x',
        COWBELL_WEBHOOK_URL: 'https://example.org/hook',
        REDISPASS: 'pa55',
        MAILCOW_HOSTNAME: 'mail.example.org',
        COMPOSE_PROJECT_NAME: 'mailcowdockerized',
        COWBELL_STATE: '/state/cowbell.db',
        COWBELL_DOCKER_SOCKET: 'tcp://proxy:2375',
        COWBELL_HTTP_LISTEN: 'cowbell-metrics:9464',
      },
    });
    expect(config).toMatchObject({
      host: 'mail.example.org',
      state: '/state/cowbell.db',
      http: { listen: 'cowbell-metrics:9464' },
      docker: { socket: 'tcp://proxy:2375', project: 'mailcowdockerized' },
      watchers: undefined,
      notifiers: [{ name: 'slack' }, { name: 'discord' }, { name: 'webhook' }],
    });
    expect(config.redis?.url.reveal()).toBe('redis://redis-mailcow:6379');
    expect(config.redis?.password?.reveal()).toBe('pa55');
  });

  it('has defaults for everything but one notifier', () => {
    const config = parseConfig(SLACK, { env: {} });
    expect(config).toMatchObject({
      docker: { socket: '/var/run/docker.sock' },
      watchers: undefined,
      notifiers: [{ type: 'slack', name: 'slack', group_interval_ms: 15_000 }],
      http: { listen: '127.0.0.1:9464' },
      log: { level: 'info', format: 'auto' },
      bans: { retry_window_seconds: 600, history_days: 7 },
    });
    expect(config.redis).toBeUndefined();
    expect(config.notifiers[0]?.events).not.toContain('ban.extended');
  });

  it('takes variables in any string, after it was read: a value adds no keys', () => {
    const env = { NAME: 'a: b\nlog: {level: debug}', EMPTY: '', URL: 'https://example.org/x' };
    const config = parseConfig(
      'host: "${NAME}"\nstate: "${MISSING:-/tmp/x}/$${NOT}"\nnotifiers: [{type: webhook, url: "${URL}", name: "${EMPTY:-hook}"}]',
      { env },
    );
    expect(config.host).toBe(env.NAME);
    expect(config.log.level).toBe('info');
    expect(config.notifiers[0]?.name).toBe('hook');
    expect(config.state).toBe('/tmp/x/${NOT}');
  });

  it('reads secrets from files', () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'url'), 'https://example.org/from-a-file\n');
    writeFileSync(join(folder, 'password'), 'pa55');
    const config = parseConfig(
      `notifiers: [{type: webhook, url_file: ${folder}/url}]\nredis: {password_file: ${folder}/password}`,
      { env: {} },
    );
    const { url } = config.notifiers[0] as unknown as { url: { reveal(): string } };
    expect(url.reveal()).toBe('https://example.org/from-a-file');
    expect(config.redis?.password?.reveal()).toBe('pa55');
  });

  it('is looked for where it is named, and a file that cannot be read is told', () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'c.yaml'), SLACK);
    expect(loadConfig({ env: { COWBELL_CONFIG: join(folder, 'c.yaml') } }).notifiers).toHaveLength(1);
    expect(() => loadConfig({ file: join(folder, 'none.yaml'), env: {} })).toThrow(/none.yaml: cannot be read.*ENOENT/);
    mkdirSync(join(folder, 'folder.yaml'));
    expect(() => loadConfig({ file: join(folder, 'folder.yaml'), env: {} })).toThrow(/cannot be read/);
  });
});

describe('mistakes', () => {
  it('are told all at once, each with its place, what it is, and what was expected', () => {
    expect(
      mistakes(`notifiers:
  - type: slak
    url: https://example.org
  - type: webhook
    url: https://example.org
    methd: PUT
  - type: discord
redis: {}
watchers:
  - type: redis
    poll_interval_ms: fast
  - nonsense
log: {level: loud}
docker: /var/run/docker.sock
colour: red
`),
    ).toEqual([
      `cowbell.yaml:2:11: notifiers[0].type: expected one of ${types}, not "slak"; did you mean "slack"?`,
      'cowbell.yaml:6:5: notifiers[1].methd: is not known here; did you mean "method"?',
      'cowbell.yaml:7:5: notifiers[2].url: is missing: expected a string',
      'cowbell.yaml:11:23: watchers[0].poll_interval_ms: expected a number, not "fast"',
      'cowbell.yaml:12:5: watchers[1]: expected a mapping, not "nonsense"',
      'cowbell.yaml:13:14: log.level: expected one of debug, info, warn, error, not "loud"',
      'cowbell.yaml:14:9: docker: expected a mapping, not "/var/run/docker.sock"',
      expect.stringMatching(
        /^cowbell\.yaml:15:1: colour: is not known here; known are host, state, time_zone, locale, docker/,
      ),
    ]);
  });

  it.each([
    ['nothing at all', '', /notifiers: is missing.*COWBELL_SLACK_URL/],
    ['no notifier', 'notifiers: []', /notifiers: expected at least one/],
    ['a variable that is not set', 'notifiers: [{type: slack, url: "${NOPE}"}]', /the environment has no NOPE/],
    ['two of one name', 'notifiers: [{type: console}, {type: console}]', /notifiers\[1\]\.name: there are two named/],
    ['a secret given twice', 'notifiers: [{type: slack, url: "https://x.org", url_file: /x}]', /url is given as well/],
    [
      'a secret file that is not there',
      'notifiers: [{type: slack, url_file: /nope}]',
      /url_file: the file cannot be read/,
    ],
    ['broken YAML', 'notifiers: [\n  {type: slack', /cowbell\.yaml:\d+:\d+: YAML: /],
    ['a key twice', `${SLACK}host: a\nhost: b\n`, /YAML: Map keys must be unique/],
    ['a list in place of a mapping', '- a\n- b\n', /expected a mapping/],
    ['an address that is none', 'notifiers: [{type: slack, url: "https://a b/x"}]', /https:\/\/ or http:\/\/$/m],
    ['a short key that is like nothing', `${SLACK}foo: 1\n`, /foo: is not known here; known are host/],
    ['a port that is none', `${SLACK}http: {listen: everywhere}`, /http\.listen: expected host:port/],
  ])('%s', (_what, text, expected) => {
    expect(mistakes(text).join('\n')).toMatch(expected);
  });

  it('refuses a file that would fill the memory', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      ...'bcdefghi'.split('').map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(', ')}]`),
    ];
    expect(() => parseConfig(bomb.join('\n'), { env: {} })).toThrow(ConfigError);
    const file = join(tempDir(), 'large.yaml');
    writeFileSync(file, `# ${'x'.repeat(2_000_000)}\n${SLACK}`);
    expect(() => loadConfig({ file, env: {} })).toThrow(/larger than 1 MiB/);
  });

  it('never show a secret, whatever is wrong with it or beside it', () => {
    const texts = [
      'notifiers: [{type: slack, url: "ftp://user:tOkEn@example.org/tOkEn"}]',
      'notifiers: [{type: slack, url: [tOkEn]}]',
      'notifiers: [{type: slack, url: tOkEn, urll: x}]',
      'notifiers: [{type: webhook, url: "https://x.org/tOkEn", secret: {a: tOkEn}, headers: {authorization: [tOkEn]}}]',
      'redis: {url: "http://:tOkEn@redis", password: {p: tOkEn}}\nnotifiers: [{type: console}]',
    ];
    for (const text of texts) expect(mistakes(text).join('\n')).toMatch(/./);
    for (const text of texts) expect(mistakes(text).join('\n')).not.toContain('tOkEn');
    const config = parseConfig(SLACK, { env: { REDISPASS: 'tOkEn' } });
    expect(inspect(config, { depth: 9, showHidden: true }) + JSON.stringify(config)).not.toContain('tOkEn');
  });
});

it.each([
  ['auto_unban: {mode: suggest}', 'auto_unban.require: nobody is asked for a score: name `reputation`'],
  ['auto_unban: {mode: enforce, require: any, min_known_logins: 0}', 'auto_unban.min_known_logins: expected 1 or more'],
  ['reputation: {abuseipdb: {}}', 'reputation.abuseipdb.key: is missing'],
  ['auto_unban: {never: [nowhere]}', 'auto_unban.never[0]: expected an address, or a network'],
  ['auto_unban: {max_prefix: {ipv4: 4}}', 'auto_unban.max_prefix.ipv4: '],
  // What the caps go by would be forgotten.
  [
    'auto_unban: {mode: enforce, require: any, lift_window_hours: 720}\nretention: {bans_days: 29}',
    'retention.bans_days: expected 30 or more: `auto_unban` goes by bans and lifts of so many days',
  ],
  ['auto_unban: {mode: suggest, require: any}\nbans: {history_days: 91}', 'retention.bans_days: expected 91 or more'],
])('%s is refused', (yaml, message) => {
  expect(() => parseConfig(`notifiers: [{type: console}]\n${yaml}`, { env: {} })).toThrow(message);
});

it.each(['auto-unban', 'abuse-reports'])('no notifier may have the name of a lane of our own: %s', (name) => {
  const named = () => parseConfig(`notifiers: [{type: console, name: ${name}}]`, { env: {} });
  expect(named).toThrow(`notifiers[0].name: "${name}" is what a lane of cowbell's own is called`);
});

it('networks of the policy are kept in one spelling', () => {
  const { auto_unban } = parseConfig('notifiers: [{type: console}]\nauto_unban: {always: [198.51.100.7/24]}', {
    env: {},
  });
  expect(auto_unban.always).toEqual(['198.51.100.0/24']);
});
