import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Ban, BanEvent } from '../../src/core/event.ts';
import { type Ip, parseIp } from '../../src/core/network.ts';
import type { Delivery } from '../../src/core/notifier.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { Hostnames } from '../../src/origins/hostnames.ts';
import { withHostnames } from '../../src/origins/with-hostnames.ts';
import { type DnsServer, startDns, startOddDns } from '../support/dns-server.ts';
import { createTestClock } from '../support/test-clock.ts';

const ip = (text: string) => parseIp(text) as Ip;

let dns: DnsServer;

beforeAll(async () => {
  dns = await startDns(
    ['mail.example', 'in-addr.arpa', 'ip6.arpa', 'bank.example'],
    { 'a.mail.example': ['45.1.1.1'], 'b.mail.example': ['2a01:4f8::5'], 'login.bank.example': ['45.9.9.9'] },
    {
      forged: {
        '2.1.1.45.in-addr.arpa': 'login.bank.example',
        '3.1.1.45.in-addr.arpa': 'nobody.mail.example',
        '4.1.1.45.in-addr.arpa': 'x@here.mail.example',
      },
    },
  );
}, 60_000);

afterAll(() => dns?.close());

function open(server: DnsServer = dns) {
  const clock = createTestClock();
  const hostnames = new Hostnames({ clock, servers: [server.address] });
  onTestFinished(() => hostnames.close());
  return { clock, hostnames, nameOf: (text: string) => hostnames.nameOf(ip(text)) };
}

describe('the name of an address', () => {
  it('is told where it leads back to the address', async () => {
    const { nameOf } = open();
    expect(await nameOf('45.1.1.1')).toBe('a.mail.example');
    expect(await nameOf('2a01:4f8::5')).toBe('b.mail.example');
  });

  it.each([
    ['of somebody else', '45.1.1.2'],
    ['that there is not', '45.1.1.3'],
    ['that is none', '45.1.1.4'],
    ['nobody gave it', '45.1.1.5'],
  ])('is left out where it is one %s', async (_, address) => {
    expect(await open().nameOf(address)).toBeUndefined();
  });

  it('is asked for once in a while, whatever the answer', async () => {
    const { nameOf, clock } = open();
    const before = dns.asked().length;
    expect(await Promise.all([nameOf('45.1.1.1'), nameOf('45.1.1.1')])).toEqual(Array(2).fill('a.mail.example'));
    await nameOf('45.1.1.1');
    await nameOf('45.1.1.5');
    await nameOf('45.1.1.5');
    // The address and its name; the other has none.
    expect(dns.asked().length - before).toBe(3);
    await clock.advance(600_000);
    await nameOf('45.1.1.1');
    await nameOf('45.1.1.5');
    expect(dns.asked().length - before).toBe(4);
  });

  it('of a private address is not asked for', async () => {
    const { nameOf } = open();
    const before = dns.asked().length;
    for (const address of ['192.168.1.1', '127.0.0.1', 'fd00::1', '::1']) expect(await nameOf(address)).toBeUndefined();
    expect(dns.asked().length).toBe(before);
  });

  it('is not waited for for ever, nor asked for of more than some addresses at a time', async () => {
    const silent = await startOddDns('silent');
    onTestFinished(() => silent.close());
    const { nameOf, hostnames } = open(silent);
    const waiting = Array.from({ length: 16 }, (_, n) => nameOf(`45.1.2.${n}`));
    expect(await nameOf('45.1.3.1')).toBeUndefined();
    hostnames.close();
    expect(await Promise.all(waiting)).toEqual(Array(16).fill(undefined));
    expect(await nameOf('45.1.3.2')).toBeUndefined();
  });

  it.each([2, 5] as const)('is none where a server answers code %i', async (code) => {
    const odd = await startOddDns(code);
    onTestFinished(() => odd.close());
    expect(await open(odd).nameOf('45.1.1.1')).toBeUndefined();
  });
});

const [sample] = sampleEvents('mail.example.org', 0).filter((event) => event.type === 'ban.started');
const started = (...ips: string[]): BanEvent => {
  if (sample?.type !== 'ban.started') throw new Error('there is no sample');
  return { ...sample, ban: { ...sample.ban, offenders: ips.map((each) => ({ ip: each, attempts: 1 })) } };
};

describe('a notifier that tells names', () => {
  /** What it was handed, twice over as a notifier may read it, and when. */
  function build(nameOf: (ip: Ip) => Promise<string | undefined>) {
    const clock = createTestClock();
    const got: { names: (string | undefined)[]; at: number }[] = [];
    const read = ({ events }: Delivery) =>
      [...events].flatMap((event) => ('ban' in event ? event.ban.offenders.map(({ hostname }) => hostname) : []));
    const notifier = withHostnames(
      {
        async notify(delivery) {
          expect(read(delivery)).toEqual(read(delivery));
          got.push({ names: read(delivery), at: clock.now() });
        },
      },
      { hostnames: { nameOf }, clock, withinMs: 300 },
    );
    const send = (...events: BanEvent[]) =>
      notifier.notify({ id: '1', size: events.length, events }, new AbortController().signal);
    return { clock, got, send, notifier };
  }

  it('hands them over with the events', async () => {
    const { send, got, notifier } = build(async (each) => (each === '45.1.1.1' ? 'a.mail.example' : undefined));
    await send(started('45.1.1.1', '45.1.1.2'));
    expect(got).toMatchObject([{ names: ['a.mail.example', undefined] }]);
    expect('notifyPlainly' in notifier).toBe(false);
  });

  it('waits for them no longer than it is told, and does not change its mind', async () => {
    let answer = (_: string) => {};
    const late = new Promise<string>((resolve) => {
      answer = resolve;
    });
    const { send, got, clock } = build((each) => (each === '45.1.1.1' ? late : Promise.resolve('b.mail.example')));
    const startedAt = clock.now();
    const sent = send(started('45.1.1.1', '45.1.1.2'));
    await clock.advance(299);
    expect(got).toEqual([]);
    await clock.advance(1);
    await sent;
    answer('a.mail.example');
    expect(got).toEqual([{ names: [undefined, 'b.mail.example'], at: startedAt + 300 }]);
  });

  it('asks nobody in a storm, nor for what is no ban', async () => {
    const asked: string[] = [];
    const { send, got } = build(async (each) => {
      asked.push(each);
      return undefined;
    });
    await send(...Array.from({ length: 11 }, () => started('45.1.1.1')));
    await send(...sampleEvents('mail.example.org', 0).filter(({ type }) => type === 'source.down'));
    expect([asked, got.length]).toEqual([[], 2]);
    await send(started(...Array.from({ length: 30 }, (_, n) => `45.1.1.${n}`)));
    expect(asked).toHaveLength(10);
  });
});

describe('a message', () => {
  const from = (offender: Partial<Ban['offenders'][number]>) => {
    const event = started();
    if (event.type !== 'ban.started') throw new Error('there is no sample');
    const offenders = [{ ip: '45.1.1.1', attempts: 1, ...offender }];
    return composeMessage([{ ...event, ban: { ...event.ban, offenders } }]).facts.find(({ label }) => label === 'From')
      ?.value;
  };

  it('tells the name behind country and network, as what a stranger wrote', () => {
    expect(from({ country: 'NL', hostname: 'a.mail.example' })).toEqual([
      { words: 'Netherlands' },
      ', ',
      { code: 'a.mail.example' },
    ]);
    expect(from({ hostname: 'a.mail.example' })).toEqual([{ code: 'a.mail.example' }]);
  });

  it('tells of a long name the end, which says whose it is', () => {
    const [part] = from({ hostname: `${'paypal.example.'.repeat(12)}evil.example` }) ?? [];
    expect(part).toEqual({ code: expect.stringMatching(/^….{51}evil\.example$/) });
  });
});
