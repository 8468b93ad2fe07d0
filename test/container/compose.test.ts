import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { tempDir } from '../support/temp-dir.ts';
import { allowedRequests, CHECKOUT, composeSchema, hardeningOf, readComposeFile, variablesOf } from './compose-file.ts';

const FIXTURES = 'test/fixtures/compose';
const FILES = ['docker-compose.override.yml', 'deploy/compose/no-socket.yml', 'deploy/compose/direct-socket.yml'];
/** Stands alone, on another host. */
const ALONE = 'deploy/compose/api.yml';

/** As in mailcow.conf, with what an admin adds. */
const VARIABLES = {
  REDISPASS: 'secret',
  MAILCOW_HOSTNAME: 'mail.example.org',
  COMPOSE_PROJECT_NAME: 'mailcowdockerized',
  TZ: 'Europe/Berlin',
  COWBELL_SLACK_URL: 'https://hooks.slack.com/services/T0/B0/x',
  DOCKER_GID: '998',
};

const isComposeFile = composeSchema();

describe.each([...FILES, ALONE])('%s', (path) => {
  const file = readComposeFile(path, VARIABLES);
  const services = Object.entries(file.services);
  const mailcow = readComposeFile(`${FIXTURES}/mailcow.yml`, VARIABLES);

  it('is a Compose file', () => {
    expect([isComposeFile(file), isComposeFile.errors]).toEqual([true, null]);
    expect(isComposeFile({ ...file, services: { cowbell: { mem_limits: '1m' } } })).toBe(false);
  });

  it('names no service, network or volume that is not there when it stands beside mailcow', () => {
    const known = { ...mailcow.services, ...file.services };
    const networks = { default: {}, ...mailcow.networks, ...file.networks };
    for (const [, service] of services) {
      for (const other of service.depends_on ?? []) expect(known).toHaveProperty(other);
      for (const network of Object.keys(service.networks ?? {})) expect(networks).toHaveProperty(network);
      for (const volume of service.volumes ?? []) {
        const from = volume.split(':')[0] ?? '';
        if (!/^[./]/.test(from)) expect(file.volumes).toHaveProperty(from);
      }
    }
    expect(Object.keys(mailcow.services).filter((name) => name in file.services)).toEqual([]);
  });

  it('gives no service more than it needs', () => {
    for (const [, service] of services) {
      expect(hardeningOf(service)).toMatchObject({
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges:true'],
      });
      expect(hardeningOf(service).Memory).toBeLessThanOrEqual(256 * 1024 * 1024);
      expect(service).not.toHaveProperty('privileged');
      expect(service).not.toHaveProperty('ports');
      for (const volume of service.volumes ?? []) {
        if (volume.includes('docker.sock')) expect(volume).toMatch(/:ro$/);
      }
    }
  });

  it('has a default for all but what must be said', () => {
    const required = new Set(['DOCKER_GID']);
    for (const name of variablesOf(path).filter((each) => !required.has(each))) {
      const rest = Object.fromEntries(Object.entries(VARIABLES).filter(([key]) => key !== name));
      expect(() => readComposeFile(path, rest)).not.toThrow();
    }
  });
});

/** What a container is given, as the file says it. */
function environmentOf(path: string, variables: Readonly<Record<string, string>> = VARIABLES): Record<string, string> {
  const lines = readComposeFile(path, variables).services['cowbell-mailcow']?.environment ?? [];
  return Object.fromEntries(lines.map((line) => [line.split('=')[0] ?? '', line.replace(/^[^=]*=/, '')]));
}

it.each(FILES)("%s is enough of a configuration, with nothing but what stands in mailcow's", (path) => {
  const config = parseConfig('', { env: environmentOf(path) });
  expect(config.host).toBe('mail.example.org');
  expect(config.redis?.password?.reveal()).toBe('secret');
  expect(config.notifiers.map(({ type }) => type)).toEqual(['slack']);
});

it(`${ALONE} gives what the configuration needs that the documents show, and nothing of mailcow's own`, () => {
  const page = readFileSync(join(CHECKOUT, 'docs/sources.md'), 'utf8');
  const shown = /^ {3}```yaml\n([\s\S]*?)^ {3}```/m.exec(page.slice(page.indexOf('## From another host')))?.[1] ?? '';
  const key = join(tempDir(), 'api-key');
  writeFileSync(key, '0123AB-4567CD-89EF01-234567-89ABCD\n');
  expect(readComposeFile(ALONE, VARIABLES).services['cowbell-mailcow']?.volumes).toContain(
    './config:/etc/cowbell:ro,z',
  );
  const config = parseConfig(shown.replace('/etc/cowbell/api-key', key), { env: environmentOf(ALONE) });
  expect(config.mailcow_api?.key.reveal()).toBe('0123AB-4567CD-89EF01-234567-89ABCD');
  expect(config.notifiers.map(({ type }) => type)).toEqual(['slack']);
  expect([config.redis, variablesOf(ALONE).includes('REDISPASS')]).toEqual([undefined, false]);
});

describe('the metrics', () => {
  it.each([...FILES, ALONE])('%s serves them on a network of its own, where that is asked for', (path) => {
    const { services, networks } = readComposeFile(path, VARIABLES);
    expect(networks?.['cowbell-metrics']).toEqual({ name: 'cowbell-metrics', internal: true });
    const inside = Object.entries(services).filter(([, service]) => 'cowbell-metrics' in (service.networks ?? {}));
    expect(inside.map(([name, { networks: own }]) => [name, own?.['cowbell-metrics']])).toEqual([
      ['cowbell-mailcow', { aliases: ['cowbell-metrics'] }],
    ]);
    expect(parseConfig('', { env: environmentOf(path) }).http.listen).toBe('127.0.0.1:9464');
    const asked = environmentOf(path, { ...VARIABLES, COWBELL_HTTP_LISTEN: 'cowbell-metrics:9464' });
    expect(parseConfig('', { env: asked }).http.listen).toBe('cowbell-metrics:9464');
  });
});

describe('the socket', () => {
  it('is only given to the proxy, or to nobody, or is asked for by name', () => {
    const holders = FILES.map((path) =>
      Object.entries(readComposeFile(path, VARIABLES).services)
        .filter(([, { volumes }]) => volumes?.some((volume) => volume.includes('docker.sock')))
        .map(([name]) => name),
    );
    expect(holders).toEqual([['cowbell-docker-proxy'], [], ['cowbell-mailcow']]);
    expect(() => readComposeFile('deploy/compose/direct-socket.yml', {})).toThrow('DOCKER_GID');
  });

  it('is reached by cowbell alone, and lets nothing through that changes or reads files', () => {
    const { services, networks } = readComposeFile('docker-compose.override.yml', VARIABLES);
    const inside = Object.entries(services).filter(([, service]) => 'cowbell-docker' in (service.networks ?? {}));
    expect(inside.map(([name]) => name)).toEqual(['cowbell-mailcow', 'cowbell-docker-proxy']);
    expect(Object.keys(services['cowbell-docker-proxy']?.networks ?? {})).toEqual(['cowbell-docker']);
    expect(networks).toMatchObject({ 'cowbell-docker': { internal: true } });
    const allowed = allowedRequests(services['cowbell-docker-proxy'] ?? {});
    expect([...allowed.keys()]).toEqual(['GET']);
    const passes = (path: string) => allowed.get('GET')?.some((pattern) => pattern.test(path)) ?? false;
    const id = 'a'.repeat(64);
    expect(
      ['/_ping', '/v1.43/containers/json', `/containers/${id}/logs`, `/containers/${id}/json`].map(passes),
    ).toEqual([true, true, true, true]);
    const refused = ['archive', 'export', 'attach/ws', 'top', 'stats', 'changes', '../json', 'json/../archive'];
    const paths = [...refused.map((what) => `/containers/${id}/${what}`), '/info', '/images/json', '/secrets', '/'];
    expect(paths.filter(passes)).toEqual([]);
  });
});
