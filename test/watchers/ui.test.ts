import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseUiMessage } from '../../src/watchers/ui-message.ts';
import { withoutLine } from './without-line.ts';

const UI = { kind: 'auth-failed', ip: '185.36.81.23', service: 'ui', reason: 'Invalid password' };

test.each([
  ['mailcow UI: Invalid password for admin by 185.36.81.23', { ...UI, account: 'admin' }],
  ['mailcow UI: Invalid password for API_USER by 2a02:c207::1', { ...UI, account: 'API_USER', ip: '2a02:c207::1' }],
  ['mailcow UI: Invalid password for stand by me by 185.36.81.23', { ...UI, account: 'stand by me' }],
  ['mailcow UI: Invalid password for  by 185.36.81.23', UI],
  ['mailcow UI: Invalid password for a\nb by 185.36.81.23', { ...UI, account: 'a\nb' }],
  ['mailcow UI: Invalid password for x by ::ffff:185.36.81.23', { ...UI, account: 'x' }],
  // The name is the client's, and so may be the address that netfilter takes out of it.
  ['mailcow UI: Invalid password for x by 8.8.8.8 by 185.36.81.23', { ...UI, account: 'x by 8.8.8.8', claimed: true }],
  ['mailcow UI: Invalid password for 8.8.8.8 by 185.36.81.23', { ...UI, account: '8.8.8.8', claimed: true }],
  ['Rspamd UI: Invalid password by 185.36.81.23', { ...UI, service: 'rspamd-ui' }],
])('%j', (message, expected) => {
  expect(withoutLine(parseUiMessage(message))).toEqual(expected);
});

test.each([
  'mailcow UI: Invalid password for admin',
  'mailcow UI: Invalid password for admin by mail.example',
  'mailcow UI: Invalid password for admin by 185.36.81.23 or so',
  'mailcow UI: Invalid password for admin by 185.36.81.23\n',
  'mailcow UI: Invalid password by 185.36.81.23x',
  'Rspamd UI: Invalid password x by 185.36.81.23',
  ' mailcow UI: Invalid password for admin by 185.36.81.23',
  'x mailcow UI: Invalid password for admin by 185.36.81.23',
  // Published as well, and no login.
  'Autodiscover: Invalid mailbox attempt by 185.36.81.23',
  'Autodiscover: Invalid request by 185.36.81.23',
])('%j says nothing', (message) => {
  expect(parseUiMessage(message)).toBeUndefined();
});

test('whatever the name, the address is the last one', () => {
  const part = fc.oneof(
    fc.constantFrom(' by ', '8.8.8.8', ' by 8.8.8.8', 'Rspamd UI: Invalid password', '\n'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join('')),
      (name) => {
        expect(parseUiMessage(`mailcow UI: Invalid password for ${name} by 185.36.81.23`)).toMatchObject({
          ip: '185.36.81.23',
          service: 'ui',
        });
        const other = parseUiMessage(`warning: unknown[1.2.3.4]: ${name}`);
        expect(other).toBeUndefined();
      },
    ),
    { numRuns: 2_000 },
  );
});
