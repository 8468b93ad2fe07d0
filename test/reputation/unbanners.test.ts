import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { PermanentError } from '../../src/core/errors.ts';
import type { ContainerSelector } from '../../src/core/watcher.ts';
import { createUnbanners } from '../../src/unbanners.ts';
import { net } from '../support/recorder-harness.ts';
import { watcherTools } from '../support/watcher-tools.ts';

const REDIS = 'redis: {url: redis://127.0.0.1:1}';
const API = 'mailcow_api: {url: https://mail.example.org, key: k}';

function unbanners(text: string) {
  const config = parseConfig(`notifiers: [{type: console}]\n${text}`, { env: {} });
  const asked: { selector: ContainerSelector; argv: readonly string[] }[] = [];
  const exec = async (selector: ContainerSelector, argv: readonly string[]) => {
    asked.push({ selector, argv });
    return { exitCode: 0, stdout: '', stderr: '', isCut: false };
  };
  return { ...createUnbanners(config, config.watchers ?? [], watcherTools({ exec })), asked };
}

const names = (text: string, jail: string) => unbanners(text).of(jail)?.name;

describe('who lifts bans', () => {
  it('of mailcow: its Redis, else its API', () => {
    expect(names(REDIS, 'netfilter')).toBe('redis');
    expect(names(API, 'netfilter')).toBe('mailcow-api');
    expect(names(`${REDIS}\n${API}`, 'netfilter')).toBe('redis');
    expect(names('watchers: [{type: fail2ban}]', 'netfilter')).toBeUndefined();
  });

  it('of fail2ban: its client, in the container that is watched, one way or the other', async () => {
    const signal = new AbortController().signal;
    const { all, of, asked } = unbanners(`watchers:
  - {type: fail2ban, name: log}
  - {type: fail2ban-client, name: all, socket: /run/f2b.sock}
  - {type: fail2ban-client, name: web, container: web-1, jails: [nginx]}
  - {type: fail2ban, name: other, container: other-1}`);
    expect(all).toHaveLength(3);
    await of('nginx')?.look('nginx', net('192.0.2.1/32'), signal);
    await of('sshd')?.look('sshd', net('192.0.2.1/32'), signal);
    expect(asked.map(({ selector, argv }) => [selector, argv.slice(0, 4)])).toEqual([
      [{ container: 'web-1' }, ['fail2ban-client', 'get', 'nginx', 'banip']],
      [{ service: 'fail2ban' }, ['fail2ban-client', '-s', '/run/f2b.sock', 'get']],
    ]);
    expect(of('netfilter')).toBeUndefined();
  });

  it('is said to be nobody where nothing is configured, with what to do', () => {
    const { required } = unbanners('watchers: [{type: netfilter}]');
    expect(() => required('netfilter')).toThrow(PermanentError);
    expect(() => required('netfilter')).toThrow(/give cowbell `redis`, or `mailcow_api` with a key that may write/);
    expect(() => required('sshd')).toThrow(/bans of sshd: give cowbell a watcher of type fail2ban-client or fail2ban/);
  });
});
