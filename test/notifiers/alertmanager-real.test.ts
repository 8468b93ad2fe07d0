import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, toRfc3339 } from '../../src/core/clock.ts';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import type { HttpClient } from '../../src/core/http.ts';
import type { Notifier } from '../../src/core/notifier.ts';
import { Secret } from '../../src/core/secret.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { createSmtpMailer } from '../../src/mail/smtp.ts';
import { alertmanagerNotifier } from '../../src/notifiers/alertmanager.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { type AlertmanagerServer, startAlertmanager } from '../support/alertmanager-server.ts';
import { deliveryOf } from '../support/delivery.ts';
import { collectOutput } from './rig.ts';

const never = new AbortController().signal;
let server: AlertmanagerServer;
let http: HttpClient & { close(): Promise<void> };
let notifier: Notifier;
beforeAll(async () => {
  server = await startAlertmanager();
});
afterAll(() => server.close());
beforeEach(() => {
  http = createHttpClient({ userAgent: 'cowbell/test' });
  notifier = alertmanagerNotifier.create(
    { url: new Secret(`${server.url}/`) },
    {
      http,
      clock: systemClock,
      mailer: createSmtpMailer(),
      stdout: collectOutput(),
      compose: composeMessage,
    },
  );
  return () => http.close();
});

const tell = (...events: BanEvent[]) => notifier.notify(deliveryOf('delivery', events), never);
/** `name network`, or what else it is about. */
const standing = async () =>
  (await server.standing())
    .map(({ labels }) => [labels.alertname, labels.network ?? labels.source ?? labels.notifier].join(' '))
    .sort();

const ago = (ms: number) => toRfc3339(Date.now() - ms);
const samples = sampleEvents('mail.example.org', Date.now()).map((event) => ({ ...event, test: false }) as BanEvent);
const sample = (type: BanEvent['type']) => samples.find((event) => event.type === type) as BanEvent & { ban: Ban };

function ban(type: 'ban.started' | 'ban.extended' | 'ban.ended', network: string, change: Partial<Ban> = {}): BanEvent {
  const { known_users: _, ...plain } = sample('ban.started').ban;
  const ended = type === 'ban.ended' && { ended_at: ago(0), end_reason: 'lifted' as const };
  const started_at = ago(5_000);
  return { ...sample(type), ban: { ...plain, known_users: [], network, started_at, ...ended, ...change } } as BanEvent;
}
const own = { known_users: [{ name: 'anna@example.org', last_seen_at: ago(60_000), logins: 41 }] };

describe('a real Alertmanager', () => {
  it('has an alert as long as the ban stands, and one more where it is an own user', async () => {
    await tell(ban('ban.started', '203.0.113.7/32'), ban('ban.started', '198.51.100.0/24', own));
    expect(await standing()).toEqual([
      'MailServerBan 198.51.100.0/24',
      'MailServerBan 203.0.113.7/32',
      'MailServerOwnUserBanned 198.51.100.0/24',
    ]);
    const [alert] = await server.standing();
    expect(alert?.labels).toMatchObject({ host: 'mail.example.org', jail: 'netfilter' });
    expect(Object.values(alert?.annotations ?? {}).join()).toContain('sales@example.org');

    const until = toRfc3339(Date.now() + 7_200_000);
    await tell(ban('ban.extended', '203.0.113.7/32', { until }));
    const extended = (await server.standing()).find(({ labels }) => labels.network === '203.0.113.7/32');
    expect(extended?.endsAt).toBe(until);

    // By now nobody knows that it was an own user's.
    await tell(ban('ban.ended', '198.51.100.0/24'));
    expect(await standing()).toEqual(['MailServerBan 203.0.113.7/32']);
    await tell(ban('ban.ended', '203.0.113.7/32'));
    expect(await standing()).toEqual([]);
  });

  it('drops all bans of a jail that was cleared, and no others', async () => {
    await tell(
      ban('ban.started', '203.0.113.7/32'),
      ban('ban.started', '203.0.113.8/32', own),
      ban('ban.started', '203.0.113.9/32', { jail: 'sshd' }),
    );
    const { host } = sample('ban.started');
    const cleared = { jail: 'netfilter', count: 3, networks: [] };
    await tell(ban('ban.started', '203.0.113.10/32'), {
      id: 'cleared',
      at: ago(0),
      host,
      type: 'bans.cleared',
      cleared,
    });
    expect(await standing()).toEqual(['MailServerBan 203.0.113.9/32']);
    await tell(ban('ban.ended', '203.0.113.9/32', { jail: 'sshd' }));
    expect(await standing()).toEqual([]);
  });

  it('has an alert while a source or a notifier is down', async () => {
    await tell(sample('source.down'), sample('notifier.down'));
    expect(await standing()).toEqual(['CowbellNotifierDown mattermost', 'CowbellSourceDown redis']);
    await tell(sample('source.up'), sample('notifier.up'));
    expect(await standing()).toEqual([]);
  });

  it('takes a ban without an end, and one that is over before it is told', async () => {
    await tell(ban('ban.started', '203.0.113.11/32', { permanent: true }), ban('ban.ended', '203.0.113.12/32'));
    expect(await standing()).toEqual(['MailServerBan 203.0.113.11/32']);
    await tell(ban('ban.ended', '203.0.113.11/32'));
    expect(await standing()).toEqual([]);
  });
});
