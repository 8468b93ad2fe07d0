import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { allowedRequests, CHECKOUT, hardeningOf, readComposeFile, variablesOf } from './compose-file.ts';

const FIXTURES = 'test/fixtures/compose';
const FILES = ['docker-compose.override.yml', 'deploy/compose/no-socket.yml', 'deploy/compose/direct-socket.yml'];

/** As in mailcow.conf, with what an admin adds. */
const VARIABLES = {
  REDISPASS: 'secret',
  MAILCOW_HOSTNAME: 'mail.example.org',
  COMPOSE_PROJECT_NAME: 'mailcowdockerized',
  TZ: 'Europe/Berlin',
  COWBELL_SLACK_URL: 'https://hooks.slack.com/services/T0/B0/x',
  DOCKER_GID: '998',
};

const schema = JSON.parse(readFileSync(join(CHECKOUT, FIXTURES, 'compose-spec.json'), 'utf8'));
const { $schema: _, ...specification } = schema;
const isComposeFile = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(specification);

describe.each(FILES)('%s', (path) => {
  const file = readComposeFile(path, VARIABLES);
  const services = Object.entries(file.services);
  const mailcow = readComposeFile(`${FIXTURES}/mailcow.yml`, VARIABLES);

  it('is a Compose file', () => {
    expect([isComposeFile(file), isComposeFile.errors]).toEqual([true, null]);
    expect(isComposeFile({ ...file, services: { cowbell: { mem_limits: '1m' } } })).toBe(false);
  });

  it('names no service, network or volume that is not there when it stands beside mailcow', () => {
    const known = { ...mailcow.services, ...file.services };
    const networks = { ...mailcow.networks, ...file.networks };
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

  it("is enough of a configuration, with nothing but what stands in mailcow's", () => {
    const environment = (file.services['cowbell-mailcow']?.environment ?? []).map((line) => {
      const [name = '', ...value] = line.split('=');
      return [name, value.join('=')];
    });
    const config = parseConfig('', { env: Object.fromEntries(environment) });
    expect(config.host).toBe('mail.example.org');
    expect(config.redis?.password?.reveal()).toBe('secret');
    expect(config.notifiers.map(({ type }) => type)).toEqual(['slack']);
  });

  it('has a default for all but what must be said', () => {
    const required = new Set(['DOCKER_GID']);
    for (const name of variablesOf(path).filter((each) => !required.has(each))) {
      const rest = Object.fromEntries(Object.entries(VARIABLES).filter(([key]) => key !== name));
      expect(() => readComposeFile(path, rest)).not.toThrow();
    }
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
    expect(networks).toEqual({ 'cowbell-docker': { internal: true } });
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
