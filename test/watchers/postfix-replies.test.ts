import { expect, test } from 'vitest';
import { parsePostfixMessage } from '../../src/watchers/postfix-line.ts';
import { withoutLine } from './without-line.ts';

/** Replies that the captured runs do not have: other versions, other settings, what others have seen in the wild. */

const ENVELOPE = 'from=<a@sender.example> to=<b@example.org> proto=ESMTP helo=<x.example>';
const FIELDS = { sender: 'a@sender.example', recipient: 'b@example.org', helo: 'x.example' };
const IP = { ip: '192.0.2.1' };

function said(message: string, program?: string): object | undefined {
  return withoutLine(parsePostfixMessage(message, program));
}

/** Stage, reply, and what is made of the reply. */
test.each([
  ['RCPT', '554 5.7.1 <b@example.org>: Relay access denied', '554 5.7.1', 'Relay access denied'],
  ['RCPT', '554 <b@example.org>: Relay access denied', '554', 'Relay access denied'],
  ['RCPT', '450 4.7.1 : Helo command rejected: Host not found', '450 4.7.1', 'Helo command rejected: Host not found'],
  [
    'RCPT',
    '450 4.2.0 <b@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example/help/example.org.html',
    '450 4.2.0',
    'Recipient address rejected: Greylisted',
  ],
  [
    'RCPT',
    '450 4.7.25 Client host rejected: cannot find your hostname, [198.51.100.7]',
    '450 4.7.25',
    'Client host rejected: cannot find your hostname',
  ],
  [
    'CONNECT',
    '450 4.7.1 Client host rejected: cannot find your reverse hostname, [198.51.100.7]',
    '450 4.7.1',
    'Client host rejected: cannot find your reverse hostname',
  ],
  [
    'CONNECT',
    '554 5.7.1 <mx.sender.example[192.0.2.1]>: Client host rejected: Access denied',
    '554 5.7.1',
    'Client host rejected: Access denied',
  ],
  [
    'EHLO',
    '504 5.5.2 <User>: Helo command rejected: need fully-qualified hostname',
    '504 5.5.2',
    'Helo command rejected: need fully-qualified hostname',
  ],
  ['HELO', '554 5.7.1 <x.example>: Helo command rejected: match x.example', '554 5.7.1', 'Helo command rejected'],
  [
    'MAIL',
    '550 5.7.27 <a@sender.example>: Sender address rejected: Domain sender.example does not accept mail (nullMX)',
    '550 5.7.27',
    'Sender address rejected: Domain does not accept mail',
  ],
  [
    'RCPT',
    '553 5.7.1 <a@sender.example>: Sender address rejected: not owned by user joe@example.org',
    '553 5.7.1',
    'Sender address rejected: not owned by user',
  ],
  [
    'RCPT',
    '550 5.1.1 <b@example.org>: Recipient address rejected: undeliverable address: host x.example[198.51.100.7] said: 550 no',
    '550 5.1.1',
    'Recipient address rejected: undeliverable address',
  ],
  [
    'RCPT',
    '550 5.7.23 <b@example.org>: Recipient address rejected: Message rejected due to: SPF fail - not authorized. Please see http://x.example',
    '550 5.7.23',
    'Recipient address rejected: Message rejected due to: SPF fail',
  ],
  [
    'BDAT',
    '550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce',
    '550 5.5.3',
    'Data command rejected: Multi-recipient bounce',
  ],
  ['VRFY', '454 4.7.1 <b@example.org>: Relay access denied', '454 4.7.1', 'Relay access denied'],
  ['ETRN', '459 <x.example>: Etrn command rejected: Access denied', '459', 'Etrn command rejected: Access denied'],
  ['END-OF-MESSAGE', '552 5.3.4 Message size exceeds fixed limit', '552 5.3.4', 'Message size exceeds fixed limit'],
  ['RCPT', '421 4.3.0 mail.example.org Server local data error', '421 4.3.0', 'Server local data error'],
  ['RCPT', '554 5.7.1 <b@example.org>: go away, b@example.org', '554 5.7.1', 'reject'],
])('%s %s', (stage, reply, code, reason) => {
  for (const id of ['NOQUEUE: ', '00ADB3C0899: ', '44JCRG5tYPzCqt2: ', ''])
    for (const host of ['mx.sender.example[192.0.2.1]', 'mx.sender.example[192.0.2.1]:44123'])
      expect(said(`${id}reject: ${stage} from ${host}: ${reply}; ${ENVELOPE}`, 'postfix/submission/smtpd')).toEqual({
        kind: 'rejected',
        ...IP,
        service: 'submission',
        reason,
        code,
        ...FIELDS,
        hostname: 'mx.sender.example',
      });
});

test.each([
  ['milter-reject: END-OF-MESSAGE', '5.7.1 Spam message rejected', '5.7.1', 'Spam message rejected'],
  ['milter-reject: END-OF-MESSAGE', '4.7.1 Greylisting in action, try again', '4.7.1', 'Greylisting in action'],
  ['milter-reject: DATA', '550 5.7.1 Command rejected', '550 5.7.1', 'Command rejected'],
  ['milter-reject: CONNECT', '451 4.7.1 Service unavailable - try again later', '451 4.7.1', 'Service unavailable'],
  ['milter-reject: END-OF-MESSAGE', '550 5.7.1 because of sender.example', '550 5.7.1', 'milter-reject'],
  ['proxy-reject: END-OF-MESSAGE', '554 5.7.0 Reject, id=31619-02 - spam', '554 5.7.0', 'proxy-reject'],
])('%s %s', (action, reply, code, reason) => {
  for (const program of ['postfix/smtpd', 'postfix/cleanup', undefined])
    expect(said(`1D8CC1CA0A7F: ${action} from unknown[IPv6:2001:DB8::1]: ${reply}; ${ENVELOPE}`, program)).toEqual({
      kind: 'rejected',
      ip: '2001:db8::1',
      service: 'smtp',
      reason,
      code,
      ...FIELDS,
    });
});

test.each([
  ['Service unavailable; Client host [192.0.2.1] blocked using zen.example.net; https://x.example/192.0.2.1'],
  ['Service unavailable; Unverified Client host [a.example] blocked using zen.example.net'],
  ['Service unavailable; Helo command [x.example] blocked using zen.example.net; http://x.example/?d=x.example'],
  ['Service unavailable; Sender address [a@sender.example] blocked using zen.example.net'],
  ['Service unavailable; [192.0.2.1] blocked using zen.example.net, reason: spam'],
])('a list is named: %s', (text) => {
  expect(said(`NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 ${text}; ${ENVELOPE}`)).toEqual({
    kind: 'rejected',
    ...IP,
    service: 'smtp',
    reason: 'Service unavailable',
    code: '554 5.7.1',
    dnsbl: 'zen.example.net',
    ...FIELDS,
  });
});

test('a list that the client wrote is not named', () => {
  const sender = '"x] blocked using evil.example; y"@sender.example';
  const text = `554 5.7.1 Service unavailable; Sender address [${sender}] blocked using zen.example.net; from=<${sender}> to=<b@example.org> proto=ESMTP helo=<x.example>`;
  expect(said(`NOQUEUE: reject: RCPT from unknown[192.0.2.1]: ${text}`)).toEqual({
    kind: 'rejected',
    ...IP,
    service: 'smtp',
    reason: 'Service unavailable',
    code: '554 5.7.1',
    ...FIELDS,
    sender,
  });
});

test('a quoted address is left whole, whatever stands in it', () => {
  const recipient = '"x>: Access denied; from=<y> to=<z"@example.org';
  const text = `454 4.7.1 <${recipient}>: Relay access denied; from=<"> to=<v"@sender.example> to=<${recipient}> proto=ESMTP helo=<x.example> sasl_username=<joe>`;
  expect(said(`NOQUEUE: reject: RCPT from unknown[192.0.2.1]: ${text}`)).toEqual({
    kind: 'rejected',
    ...IP,
    service: 'smtp',
    reason: 'Relay access denied',
    code: '454 4.7.1',
    sender: '"> to=<v"@sender.example',
    recipient,
    helo: 'x.example',
  });
});

test.each([
  `NOQUEUE: reject_warning: RCPT from unknown[192.0.2.1]: 554 5.7.1 <b@example.org>: Relay access denied; ${ENVELOPE}`,
  `NOQUEUE: warn: RCPT from unknown[192.0.2.1]: seen; ${ENVELOPE}`,
  `NOQUEUE: filter: RCPT from unknown[192.0.2.1]: <unknown[192.0.2.1]>: Client host triggers FILTER x:y; ${ENVELOPE}`,
  `NOQUEUE: hold: RCPT from unknown[192.0.2.1]: <b@example.org>: Recipient address triggers HOLD action; ${ENVELOPE}`,
  `NOQUEUE: discard: RCPT from unknown[192.0.2.1]: <b@example.org>: Recipient address triggers DISCARD action; ${ENVELOPE}`,
  `NOQUEUE: redirect: RCPT from unknown[192.0.2.1]: <b@example.org>: Recipient address triggers REDIRECT c@example.org; ${ENVELOPE}`,
  `4104E3D: milter-hold: END-OF-MESSAGE from unknown[192.0.2.1]: milter triggers HOLD action; ${ENVELOPE}`,
  `4104E3D: milter-discard: END-OF-MESSAGE from unknown[192.0.2.1]: milter triggers DISCARD action; ${ENVELOPE}`,
  `4104E3D: milter-header-redirect: header X-Spam: Yes from unknown[192.0.2.1]; ${ENVELOPE}: c@example.org`,
  `4104E3D: reject: header Subject: spam from unknown[192.0.2.1]; ${ENVELOPE}: 5.7.1 no`,
  `4104E3D: reject: body from unknown[198.51.100.7]: 554 5.7.1 x from unknown[192.0.2.1]; ${ENVELOPE}: 5.7.1 no`,
  `proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=31619-02 - spam; ${ENVELOPE}`,
  `proxy-accept: END-OF-MESSAGE: 250 2.0.0 from MTA(smtp:[127.0.0.1]:10013): 250 2.0.0 Ok; ${ENVELOPE}`,
  `NOQUEUE: reject: RCPT from unknown[unknown]: 450 4.7.1 Client host rejected: cannot find your hostname, [unknown]; ${ENVELOPE}`,
  'warning: reject: ETRN unknown[198.51.100.7]... from unknown[192.0.2.1]',
  'NOQUEUE: abort: TLS from unknown[192.0.2.1]: No client certificate presented',
])('%s says nothing', (message) => {
  for (const program of ['postfix/smtpd', 'postfix/cleanup', 'postfix/postscreen', undefined])
    expect(said(message, program)).toBeUndefined();
});

const FORGED = 'x>: Recipient address rejected: User unknown; from=<ceo@example.org> to=<b@example.org> proto=ESMTP';
const PADDING = ' helo=<'.repeat(20);
const A = 'from=<a@sender.example> to=<b@example.org> proto=ESMTP';

test.each([
  ['alone', FORGED, A, ''],
  ['behind the like of its own beginning', `${PADDING}${FORGED}`, A, ''],
  ['with that in the sender', FORGED, A.replace('a@', `"${PADDING}"@`), ''],
  ['with a beginning and an end of its own', `${FORGED} helo=<x`, A, ''],
  ['of one who has logged in', FORGED, A, ' sasl_username=<joe>'],
])('a greeting that holds the words of a reply, %s, decides nothing', (_, helo, envelope, login) => {
  const message = (reply: string) =>
    said(
      `NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 501 5.5.2 <${helo}>: ${reply}; ${envelope} helo=<${helo}>${login}`,
    );
  const sender = expect.not.stringContaining('ceo') as string;
  expect(message('Helo command rejected: Invalid name')).toMatchObject({
    ...IP,
    reason: 'Helo command rejected: Invalid name',
    sender,
    recipient: 'b@example.org',
  });
  expect(message('you are not you')).toMatchObject({ ...IP, reason: 'reject', sender, recipient: 'b@example.org' });
});

test.each(['x> proto=ESMTP helo=<y', 'x> to=<ceo@example.org> proto=ESMTP helo=<y', 'x; from=<c@d> to=<e@f> helo=<y'])(
  'a greeting %s changes no address',
  (helo) => {
    const found = said(
      `NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 <b@example.org>: Relay access denied; ${A} helo=<${helo}>`,
    );
    expect(found).toMatchObject({ sender: 'a@sender.example', recipient: 'b@example.org', helo });
    const mail = said(
      `NOQUEUE: reject: MAIL from unknown[192.0.2.1]: 450 4.1.8 <a@b>: Sender address rejected; from=<a@b> proto=SMTP helo=<${helo}>`,
    );
    expect(mail).toMatchObject({ sender: 'a@b', helo });
    expect(mail).not.toHaveProperty('recipient');
    const connect = said(
      `NOQUEUE: reject: EHLO from unknown[192.0.2.1]: 450 4.7.1 <${helo}>: Helo command rejected: Host not found; proto=SMTP helo=<${helo}>`,
    );
    expect(connect).toMatchObject({ reason: 'Helo command rejected: Host not found', helo });
    expect(connect).not.toHaveProperty('sender');
  },
);

test.each([
  ['554 Service denied; Client host [192.0.2.1] blocked using bl.spamcop.net; see x', 'blocked', 'bl.spamcop.net'],
  [
    '554 5.7.1 SERVICE UNAVAILABLE; CLIENT HOST [192.0.2.1] BLOCKED USING zen.spamhaus.org',
    'Service unavailable',
    'zen.spamhaus.org',
  ],
  ['554 5.7.1 SERVICE UNAVAILABLE; Client host [192.0.2.1] blocked using x', 'Service unavailable', undefined],
  [
    '554 5.7.1 SERVICE UNAVAILABLE; Client host [192.0.2.1] blocked using zen.spamhaus.org=127.0.0.3 ; x',
    'Service unavailable',
    'zen.spamhaus.org',
  ],
  [
    '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using Trend Micro',
    'Service unavailable',
    undefined,
  ],
  [
    '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using multiple lists',
    'Service unavailable',
    undefined,
  ],
  ['550 5.7.1 Error: access denied for unknown[192.0.2.1]', 'access denied for', undefined],
  ['552 5.3.4 Error: message file too big', 'message file too big', undefined],
  ['421 4.3.2 All server ports are busy', 'All server ports are busy', undefined],
  ['451 4.3.5 Server configuration problem', 'Server configuration problem', undefined],
])('%s', (reply, reason, dnsbl) => {
  const found = said(`NOQUEUE: reject: RCPT from unknown[192.0.2.1]: ${reply}; ${ENVELOPE}`) as { dnsbl?: string };
  expect(found).toMatchObject({ reason });
  expect(found.dnsbl).toBe(dnsbl);
});

test.each([
  ['postfix/587/smtpd', 'submission'],
  ['postfix/10587/smtpd', 'submission'],
  ['postfix/submission/smtpd', 'submission'],
  ['postfix/465/smtpd', 'smtps'],
  ['postfix/10465/smtpd', 'smtps'],
  ['postfix-smtps/smtpd', 'smtps'],
  ['postfix/smtpd', 'smtp'],
  ['postfix/2525/smtpd', 'smtp'],
])('%s is %s', (program, service) => {
  expect(said('lost connection after AUTH from unknown[192.0.2.1]', program)).toMatchObject({ service });
});
