import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../../src/ledger/database.ts';
import { eventually } from '../support/eventually.ts';
import { type Mailcow, startMailcow } from '../support/mailcow.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import { shortEvent } from '../support/recorder-harness.ts';

let stack: NetfilterStack;
let mailcow: Mailcow;
beforeEach(async () => {
  stack = await startStack();
});
afterEach(async () => {
  mailcow.end();
  await stack.close();
});

const IP = '185.36.81.23';
const OWN = '5.188.206.14';
const STAMP = 'Nov 23 12:25:23 c0ffee123456';
const told = () => stack.events().map(shortEvent);

it('an attack that five sources tell of is one ban, each attempt counted once, with all that each of them knows', async () => {
  await stack.startNetfilter();
  const postfix = await stack.startService('postfix-mailcow');
  const dovecot = await stack.startService('dovecot-mailcow');
  mailcow = await startMailcow(stack.redis, (line) => stack.print(line));
  await stack.startCowbell(
    `watchers:
  - {type: netfilter}
  - {type: netfilter, name: records, from: redis}
  - {type: postfix}
  - {type: dovecot}
  - {type: f2b-channel}
  - {type: redis}`,
  );
  // One of our own users was here before, and the attacker was refused once.
  await postfix(
    `${STAMP} postfix/smtps/smtpd[7]: AB75C21C350: client=unknown[${IP}], sasl_method=PLAIN, sasl_username=anna@example.org`,
    `${STAMP} postfix/postscreen[8]: PREGREET 11 after 0 from [${IP}]:54881: EHLO x\\r\\n`,
  );
  for (let n = 0; n < 10; n++) {
    const account = `user${n % 3}@example.org`;
    await dovecot(
      `${STAMP} dovecot: auth: passwd-file(${account},${IP}): Password mismatch (SHA1 of given password: a4b48a)`,
    );
    await postfix(`${STAMP} postfix/submission/smtpd[9]: ${await mailcow.fail(IP, account)}`);
  }
  await eventually(() => expect(told()).toContain(`ban.started ${IP}/32`));
  // All have told of all of it: ten attempts, each of them known to five sources.
  await eventually(() => {
    const db = openDatabase(stack.state, { readOnly: true });
    const views = db.all<{ views: string }>('SELECT views FROM evidence').map((row) => JSON.parse(row.views) as object);
    db.close();
    const each = { netfilter: 1, records: 1, postfix: 1, dovecot: 1, 'f2b-channel': 1 };
    expect(views).toEqual(Array.from({ length: 10 }, () => each));
  });
  await mailcow.unban(`${IP}/32`);
  await eventually(() => expect(told()).toEqual([`ban.started ${IP}/32`, `ban.ended ${IP}/32 lifted`]));

  const ended = stack.events().find((event) => event.type === 'ban.ended');
  expect(ended).toMatchObject({
    ban: {
      attempts: 10,
      rejects: 1,
      confirmed: true,
      repeats: 0,
      services: ['submission'],
      rules: ['3'],
      offenders: [{ ip: IP, attempts: 10 }],
      accounts: expect.arrayContaining([
        { name: 'user0@example.org', attempts: 4 },
        { name: 'user1@example.org', attempts: 3 },
        { name: 'user2@example.org', attempts: 3 },
      ]),
      known_users: [{ name: 'anna@example.org', logins: 1 }],
    },
  });
  expect(JSON.stringify(stack.events())).not.toContain('a4b48a');
  // The chat says in its first line whose address it is.
  expect(stack.slack.accepted()[0]?.body).toContain('Your own user');
}, 180_000);

it('a ban of a whole network names who tried, and whom it hits', async () => {
  const postfix = await stack.startService('postfix-mailcow');
  mailcow = await startMailcow(stack.redis);
  await stack.startCowbell(
    'watchers: [{type: postfix}, {type: f2b-channel}, {type: redis}, {type: netfilter, from: redis}]',
  );
  await postfix(
    `${STAMP} postfix/smtps/smtpd[7]: AB75C21C350: client=x[${OWN}], sasl_method=PLAIN, sasl_username=anna@example.org`,
  );
  for (const [last, times] of [
    [3, 4],
    [200, 2],
  ] as const) {
    for (let n = 0; n < times; n++) {
      const line = await mailcow.fail(`5.188.206.${last}`, 'info@example.org');
      await postfix(`${STAMP} postfix/smtpd[9]: ${line}`);
    }
  }
  await mailcow.ban('5.188.206.0/24');
  await eventually(() => expect(told()).toEqual(['ban.started 5.188.206.0/24']));
  expect(stack.events()[0]).toMatchObject({
    ban: {
      attempts: 6,
      offenders: [
        { ip: '5.188.206.3', attempts: 4 },
        { ip: '5.188.206.200', attempts: 2 },
      ],
      known_users: [{ name: 'anna@example.org', logins: 1 }],
    },
  });
}, 180_000);
