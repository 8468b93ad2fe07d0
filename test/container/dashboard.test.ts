import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { allowedRequests, CHECKOUT, composeSchema, hardeningOf, readComposeFile } from './compose-file.ts';

const PATH = 'deploy/compose/dashboard.yml';
const file = readComposeFile(PATH, { GRAFANA_PASSWORD: 'secret' });
const { services, networks = {}, volumes = {} } = file;
const all = Object.entries(services);
const read = (path: string) => parse(readFileSync(join(CHECKOUT, path), 'utf8'));
const networksOf = (name: string) => Object.keys(services[name]?.networks ?? {});

/** Which service of the file an address leads to, for another that is on a network with it. */
function serviceAt(url: string, from: string): string | undefined {
  const { hostname } = new URL(url);
  const shared = networksOf(hostname).filter((network) => networksOf(from).includes(network));
  return shared.length > 0 ? hostname : undefined;
}

describe(PATH, () => {
  it('is a Compose file, with a name of its own', () => {
    const isComposeFile = composeSchema();
    expect([isComposeFile(file), isComposeFile.errors]).toEqual([true, null]);
    expect(file).toMatchObject({ name: 'cowbell-dashboard' });
    expect(() => readComposeFile(PATH, {})).toThrow('GRAFANA_PASSWORD');
  });

  it('starts what is asked for by its profile, and nothing by itself', () => {
    const of = (profile: string) => all.filter(([, { profiles }]) => profiles?.includes(profile)).map(([name]) => name);
    expect(of('dashboard')).toEqual(['prometheus', 'grafana']);
    expect(of('logs')).toEqual(['loki', 'alloy', 'cowbell-logs-proxy']);
    expect(all.filter(([, { profiles }]) => profiles?.length !== 1)).toEqual([]);
    for (const [, { profiles, depends_on = [] }] of all) {
      for (const other of depends_on) expect(services[other]?.profiles).toEqual(profiles);
    }
  });

  it.each(all)('%s has a version, and no more than it needs', (_, service) => {
    expect(service.image).toMatch(/^[\w.-]+\/[\w.-]+:v?\d+\.\d+\.\d+$/);
    expect(hardeningOf(service)).toMatchObject({
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
    });
    expect(hardeningOf(service).Memory).toBeLessThanOrEqual(512 * 1024 * 1024);
    expect(hardeningOf(service).PidsLimit).toBeLessThanOrEqual(128);
    expect(service).not.toHaveProperty('privileged');
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    for (const network of Object.keys(service.networks ?? {})) expect(networks).toHaveProperty(network);
  });

  it('mounts files that there are, for reading, and keeps what is written in volumes', () => {
    for (const volume of all.flatMap(([, service]) => service.volumes ?? [])) {
      const [from = '', , mode = ''] = volume.split(':');
      if (from.startsWith('/')) expect(volume).toBe('/var/run/docker.sock:/var/run/docker.sock:ro');
      else if (from.startsWith('.')) {
        expect([from, existsSync(join(CHECKOUT, 'deploy/compose', from))]).toEqual([from, true]);
        expect(mode).toMatch(/^ro\b/);
      } else expect(volumes).toHaveProperty(from);
    }
    expect(Object.keys(volumes)).toHaveLength(4);
  });

  it('has one way in, to Grafana, and one way out, from there', () => {
    expect(all.filter(([, { ports }]) => ports !== undefined).map(([name, { ports }]) => [name, ports])).toEqual([
      ['grafana', ['127.0.0.1:3000:3000']],
    ]);
    const open = Object.entries(networks).filter(([, network]) => {
      const { internal, external } = (network ?? {}) as { internal?: boolean; external?: boolean };
      return internal !== true && external !== true;
    });
    expect(open.map(([name]) => name)).toEqual(['outside']);
    expect(all.filter(([name]) => networksOf(name).includes('outside')).map(([name]) => name)).toEqual(['grafana']);
  });

  it('stands on the network that cowbell brings, with Prometheus alone', () => {
    const { networks: ofCowbell = {} } = readComposeFile('docker-compose.override.yml', {});
    expect(networks['cowbell-metrics']).toEqual({ external: true });
    expect(ofCowbell['cowbell-metrics']).toMatchObject({ name: 'cowbell-metrics' });
    expect(all.filter(([name]) => networksOf(name).includes('cowbell-metrics')).map(([name]) => name)).toEqual([
      'prometheus',
    ]);
    const { scrape_configs } = read('deploy/prometheus/prometheus.yml');
    expect(scrape_configs[0].static_configs).toEqual([{ targets: ['cowbell-metrics:9464'] }]);
  });

  it('has its parts find each other', () => {
    const { datasources } = read('deploy/grafana/provisioning/datasources/cowbell.yml');
    expect(datasources.map(({ url }: { url: string }) => serviceAt(url, 'grafana'))).toEqual(['prometheus', 'loki']);
    const [client] = read('deploy/promtail/promtail.yml').clients;
    expect(serviceAt(client.url, 'alloy')).toBe('loki');
    const host = services.alloy?.environment?.find((line) => line.startsWith('DOCKER_HOST='))?.slice(12) ?? '';
    expect(serviceAt(host, 'alloy')).toBe('cowbell-logs-proxy');
  });

  it('gives the Docker socket to a proxy that Alloy alone reaches, and that lets nothing through that changes', () => {
    const holders = all.filter(([, service]) => service.volumes?.some((volume) => volume.includes('docker.sock')));
    expect(holders.map(([name]) => name)).toEqual(['cowbell-logs-proxy']);
    expect(all.filter(([name]) => networksOf(name).includes('docker')).map(([name]) => name)).toEqual([
      'alloy',
      'cowbell-logs-proxy',
    ]);
    expect(networksOf('cowbell-logs-proxy')).toEqual(['docker']);
    const allowed = allowedRequests(services['cowbell-logs-proxy'] ?? {});
    expect([...allowed.keys()]).toEqual(['HEAD', 'GET']);
    const passes = (path: string) => allowed.get('GET')?.some((pattern) => pattern.test(path)) ?? false;
    const id = 'a'.repeat(64);
    const wanted = ['/_ping', '/v1.44/networks', '/containers/json', `/v1.44/containers/${id}/logs`];
    expect(wanted.map(passes)).toEqual([true, true, true, true]);
    const refused = ['/info', '/images/json', '/networks/a', `/containers/${id}/archive`, `/containers/${id}/top`, '/'];
    expect(refused.filter(passes)).toEqual([]);
  });

  it('names nothing that a mailcow beside it has', () => {
    const mailcow = readComposeFile('test/fixtures/compose/mailcow.yml', {});
    const cowbell = readComposeFile('docker-compose.override.yml', {});
    const others = [...Object.keys(mailcow.services), ...Object.keys(cowbell.services)];
    expect(all.map(([name]) => name).filter((name) => others.includes(name))).toEqual([]);
  });
});
