import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDovecotWatcher } from '../../src/watchers/dovecot.ts';
import { ACCOUNT, type DovecotServer, startDovecot } from '../support/dovecot-server.ts';
import { eventually } from '../support/eventually.ts';
import { lineSource, observe } from './line-source.ts';

let dovecot: DovecotServer;

beforeAll(async () => {
  dovecot = await startDovecot();
}, 180_000);
afterAll(async () => {
  await dovecot.close();
});

/** What the watcher says of the lines since `from`, once dovecot has logged `count` that say something. */
async function told(from: number, count: number) {
  return await eventually(async () => {
    const said = await observe(createDovecotWatcher('dovecot', lineSource(dovecot.lines().slice(from))));
    if (said.length < count) throw new Error(dovecot.lines().slice(from).join('\n'));
    return said.map(({ at: _at, line: _line, ...rest }) => rest);
  });
}

test('a real dovecot tells of each attempt and of the connection, with one session', async () => {
  const from = dovecot.lines().length;
  await dovecot.talk([`a LOGIN ${ACCOUNT.name} wrong`, 'b LOGIN nobody@example.org wrong', 'c LOGOUT'], '127.0.0.31');
  const said = await told(from, 3);
  const session = (said[0] as { session?: string }).session;
  expect(session).toMatch(/^[\w+/]{8,}$/);
  const failed = { kind: 'auth-failed', ip: '127.0.0.31', session };
  expect(said).toEqual([
    { ...failed, service: 'dovecot', account: ACCOUNT.name, reason: 'Password mismatch' },
    { ...failed, service: 'dovecot', account: 'nobody@example.org', reason: 'unknown user' },
    {
      ...failed,
      service: 'imap',
      account: 'nobody@example.org',
      reason: 'auth failed',
      mechanism: 'PLAIN',
      attempts: 2,
    },
  ]);
});

test('a good login, and clients that try none', async () => {
  const from = dovecot.lines().length;
  await dovecot.talk(['a NOOP', 'b LOGOUT'], '127.0.0.32');
  await dovecot.talk(['a AUTHENTICATE PLAIN', '*', 'b LOGOUT'], '127.0.0.33');
  await dovecot.talk(['a AUTHENTICATE FOO,RIP=8.8.8.8', 'b LOGOUT'], '127.0.0.34');
  await dovecot.talk([`a LOGIN ${ACCOUNT.name} "${ACCOUNT.password}"`, 'b LOGOUT'], '127.0.0.35');
  expect(await told(from, 1)).toEqual([
    { kind: 'authenticated', ip: '127.0.0.35', service: 'imap', account: ACCOUNT.name, mechanism: 'PLAIN' },
  ]);
});

test('names that look like its own words change no address', async () => {
  const from = dovecot.lines().length;
  const names = [
    'x>, method=PLAIN, rip=8.8.8.8, lip=1.1.1.1, session=<x',
    'x,8.8.8.8,<s>): unknown user',
    'user=<x>, rip=8.8.8.8',
    'x (auth failed, 9 attempts): user=<y>, rip=8.8.8.8',
  ];
  for (const name of names) await dovecot.talk([`a LOGIN "${name}" wrong`, 'b LOGOUT'], '127.0.0.36');
  const said = await told(from, 2 * names.length);
  expect(said.map(({ ip }) => ip)).toEqual(said.map(() => '127.0.0.36'));
  expect(new Set(said.map(({ account }) => account))).toEqual(new Set(names));
});
