import { expect, it } from 'vitest';
import { recordText } from '../../src/watchers/redis-record.ts';

/** Evidence is shown as it is read: a time of our own making would be told in every alert. */
it('puts the time of the record in front, as the program prints it', () => {
  const said = recordText({ time: 1_795_430_922, priority: 'warn', message: '1.2.3.4 matched rule id 3 (x)' }) ?? '';
  const [, stamp = '', rest] = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (.*)$/.exec(said) ?? [];
  expect([Date.parse(stamp), rest]).toEqual([1_795_430_922_000, 'WARN: 1.2.3.4 matched rule id 3 (x)']);
  const logged = recordText({ time: '1793675045', priority: 'info', program: 'dovecot', message: 'x\n' }) ?? '';
  const [, day = '', rest2] = /^(\w{3} [ \d]\d \d\d:\d\d:\d\d) (.*)$/.exec(logged) ?? [];
  expect([Date.parse(`${day} 2026`), rest2]).toEqual([1_793_675_045_000, 'host dovecot[0]: x']);
});

it('makes a line of a record whose time is none', () => {
  for (const time of ['later', -1, 1e14, undefined])
    expect(recordText({ time, priority: 'crit', message: 'x' })).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d CRIT: x$/);
});
