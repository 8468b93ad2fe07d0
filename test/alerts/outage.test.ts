import { expect, it, onTestFinished } from 'vitest';
import { senders, writtenOptions } from '../notifiers/rig.ts';
import { eventually } from '../support/eventually.ts';
import { readMail } from '../support/mail-rules.ts';
import { RECEIVER_KINDS, startReceiver } from '../support/receivers.ts';
import { startSmtpService } from '../support/smtp-service.ts';
import { configOf, createAlertsRig } from './alerts-rig.ts';

const MINUTE = 60_000;
const people = senders.filter(({ audience }) => audience === 'people');

it('an hour without any far side, and 5 000 bans: each lane has one message of all, then goes on as ever', async () => {
  const receivers = await Promise.all(
    people.map(async (definition) => {
      const kind = RECEIVER_KINDS.find((each) => each === definition.type) ?? expect.unreachable();
      return { definition, receiver: await startReceiver({ kind }) };
    }),
  );
  const closed = await startSmtpService();
  await closed.stop();
  const { port } = closed;
  const rig = await createAlertsRig(
    configOf([
      ...receivers.map(({ definition, receiver }) => ({
        type: definition.type,
        events: ['ban.started'],
        ...writtenOptions(definition, receiver.url),
      })),
      {
        type: 'email',
        events: ['ban.started'],
        host: '127.0.0.1',
        port,
        security: 'none',
        from: 'a@example.org',
        to: ['b@example.org'],
      },
    ]),
  );
  onTestFinished(async () => {
    await Promise.all(receivers.map(({ receiver }) => receiver.stop()));
  });
  const { clock, alerts } = rig;
  const settled = () => eventually(() => expect(rig.isIdle()).toBe(true), { timeoutMs: 60_000 });
  await Promise.all(receivers.map(({ receiver }) => receiver.stop()));

  const end = clock.now() + 60 * MINUTE;
  rig.ban(20);
  let isStorm = false;
  while (clock.now() < end) {
    await settled();
    const next = Math.min(...alerts.states().map(({ nextAttemptAt }) => nextAttemptAt ?? end));
    await clock.advance(Math.min(Math.max(next - clock.now(), 1), MINUTE));
    if (isStorm || clock.now() < end - 5 * MINUTE) continue;
    isStorm = true;
    rig.ban(4_980);
  }
  await settled();
  expect(alerts.states().map(({ owed }) => owed)).toEqual(alerts.states().map(() => 5_000));
  expect(alerts.states().every(({ down }) => down)).toBe(true);

  const smtp = await startSmtpService({}, port);
  onTestFinished(() => smtp.stop());
  await Promise.all(receivers.map(({ receiver }) => receiver.restart()));
  const deliverAll = async () => {
    while (alerts.states().some(({ owed }) => owed > 0)) {
      await settled();
      const times = alerts.states().flatMap(({ owed, nextAttemptAt }) => (owed > 0 ? (nextAttemptAt ?? []) : []));
      if (times.length > 0) await clock.advance(Math.max(Math.min(...times) - clock.now(), 1));
    }
  };
  await deliverAll();
  for (const { definition, receiver } of receivers) {
    expect.soft(receiver.accepted(), definition.type).toHaveLength(1);
    expect.soft(JSON.stringify(receiver.accepted()[0]?.json), definition.type).toContain('5,000 bans');
    expect.soft(receiver.problems(), definition.type).toEqual([]);
  }
  expect(smtp.mails).toHaveLength(1);
  expect(readMail(smtp.mails[0]?.raw ?? '').text).toContain('5,000 bans');

  await clock.advance(30 * MINUTE);
  rig.ban(1);
  await eventually(() => expect(smtp.mails).toHaveLength(2));
  for (const { definition, receiver } of receivers) {
    await eventually(() => expect(receiver.accepted(), definition.type).toHaveLength(2));
    expect.soft(JSON.stringify(receiver.accepted()[1]?.json), definition.type).toMatch(/Banned .*45\.0\.19\.136/);
  }
}, 300_000);
