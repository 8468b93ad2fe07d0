import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ConfigError, messageOf, TransientError } from '../../src/core/errors.ts';
import { Secret } from '../../src/core/secret.ts';
import { Teardown } from '../../src/core/teardown.ts';

describe('a secret', () => {
  it('shows in nothing that prints', () => {
    const secret = new Secret('hunter2');
    const shown = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 9, showHidden: true }),
      inspect(new Error('x', { cause: secret })),
      Object.entries(secret).join(),
      Object.getOwnPropertyNames(secret).join(),
    ].join('\n');
    expect(shown).not.toContain('hunter2');
    expect(secret.reveal()).toBe('hunter2');
  });
});

describe('errors', () => {
  it('say every place at once', () => {
    const error = new ConfigError([
      { file: 'c.yaml', line: 3, column: 5, path: 'redis.url', message: 'expected an address' },
      { path: 'notifiers', message: 'at least one is needed' },
    ]);
    expect(error.message).toBe('c.yaml:3:5: redis.url: expected an address\nnotifiers: at least one is needed');
  });

  it('are told with their causes, once each', () => {
    const cause = new Error('connect ECONNREFUSED');
    expect(messageOf(new TransientError('Redis is not reachable', { cause }))).toBe(
      'Redis is not reachable: connect ECONNREFUSED',
    );
    expect(messageOf('plain')).toBe('plain');
  });
});

describe('a teardown', () => {
  it('runs in reverse order, skips nothing, waits for no step for ever', async () => {
    const order: string[] = [];
    const teardown = new Teardown();
    teardown.push('first', () => void order.push('first'));
    teardown.push('broken', () => {
      throw new Error('no');
    });
    teardown.push('slow', () => new Promise(() => {}), 20);
    teardown.push('last', async () => void order.push('last'));
    expect(await teardown.run()).toEqual([
      { step: 'slow', message: 'not done after 20 ms' },
      { step: 'broken', message: 'no' },
    ]);
    expect(order).toEqual(['last', 'first']);
  });
});
