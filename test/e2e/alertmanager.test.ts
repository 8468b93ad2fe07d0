import { expect, it } from 'vitest';
import { startAlertmanager } from '../support/alertmanager-server.ts';
import { eventually } from '../support/eventually.ts';
import { startStack } from '../support/netfilter-stack.ts';

it('a ban is an alert in a real Alertmanager until it is lifted', { timeout: 180_000 }, async () => {
  const alertmanager = await startAlertmanager();
  const stack = await startStack({ withEngine: false });
  const standing = async () => (await alertmanager.standing()).map(({ labels }) => [labels.alertname, labels.network]);
  const { client } = stack.redis;
  try {
    await client.set('F2B_OPTIONS', '{}');
    await stack.startCowbell(`  - {type: alertmanager, url: '${alertmanager.url}'}\nwatchers: [{type: redis}]\n`);
    const until = String(Math.ceil(Date.now() / 1000) + 1_800);
    await client.hset('F2B_ACTIVE_BANS', '45.8.0.1/32', until, '45.8.0.2/32', until);
    await eventually(async () =>
      expect((await standing()).sort()).toEqual([
        ['MailServerBan', '45.8.0.1/32'],
        ['MailServerBan', '45.8.0.2/32'],
      ]),
    );
    await client.hdel('F2B_ACTIVE_BANS', '45.8.0.1/32');
    await eventually(async () => expect(await standing()).toEqual([['MailServerBan', '45.8.0.2/32']]), {
      timeoutMs: 60_000,
    });
  } finally {
    await stack.close();
    await alertmanager.close();
  }
});
