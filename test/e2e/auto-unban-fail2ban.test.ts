import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLedger } from '../../src/ledger/ledger.ts';
import { ABUSEIPDB_KEY, type AbuseipdbServer, startAbuseipdb } from '../support/abuseipdb-server.ts';
import { eventually } from '../support/eventually.ts';
import { type Fail2banContainer, startFail2banContainer, USUAL_SOCKET } from '../support/fail2ban-container.ts';
import { type NetfilterStack, startStack } from '../support/netfilter-stack.ts';
import type { RunningProgram } from '../support/process.ts';
import { shortEvent } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

const CLEAN = '185.36.81.23';
const BAD = '45.142.120.9';

let stack: NetfilterStack;
let fail2ban: Fail2banContainer;
let abuseipdb: AbuseipdbServer;
beforeEach(async () => {
  stack = await startStack({ withRedis: false });
  abuseipdb = await startAbuseipdb();
  abuseipdb.scores.set(BAD, 90);
  const jails = { 'postfix-sasl': 3_600, recidive: 604_800, forever: -1 };
  fail2ban = await startFail2banContainer(stack.engine, tempDir(), { jails, timeZone: 'UTC', socket: USUAL_SOCKET });
  await fail2ban.ready();
}, 90_000);
afterEach(async () => {
  await abuseipdb.close();
  await stack.close();
});

const told = (about = '') =>
  stack
    .events()
    .map(shortEvent)
    .filter((event) => event.includes(about));
const settings = (watcher: string, more = '') => `watchers: [${watcher}]
reputation: {abuseipdb: {key: ${ABUSEIPDB_KEY}, url: '${abuseipdb.url}'}}
auto_unban: {mode: enforce, min_known_logins: 0, delay_seconds: 0, tell: all, ${more}}
`;
const bannedIn = (jail: string) => fail2ban.client('get', jail, 'banip');
const CLIENT = '{type: fail2ban-client, poll_interval_seconds: 5}';

/** Starts cowbell, which adopts what its first look finds. */
async function watch(config: string, name: string): Promise<RunningProgram> {
  const cowbell = await stack.startCowbell(config);
  await eventually(() => {
    const ledger = openLedger(stack.state, Date.now, { readOnly: true });
    const hasLooked = name === 'fail2ban' || ledger.meta(`adopted:${name}`) !== undefined;
    ledger.close();
    expect(hasLooked).toBe(true);
  });
  return cowbell;
}

describe('a real fail2ban in a container', { timeout: 180_000 }, () => {
  it.each([
    ['its client', 'fail2ban-client', CLIENT],
    ['its log', 'fail2ban', '{type: fail2ban}'],
  ])(
    'watched by %s, has the ban of a clean address lifted in its jail alone, and a bad one stays',
    async (_, name, watcher) => {
      await watch(settings(watcher), name);
      await fail2ban.client('set', 'postfix-sasl', 'banip', CLEAN, BAD);
      await eventually(() => expect(told()).toContain(`ban.ended ${CLEAN}/32 lifted-by-cowbell`), {
        timeoutMs: 60_000,
      });
      await eventually(() => expect(told()).toContain(`unban.decided ${BAD}/32 keep`));
      expect(told(CLEAN)).toEqual([
        `ban.started ${CLEAN}/32`,
        `unban.decided ${CLEAN}/32 lift`,
        `ban.ended ${CLEAN}/32 lifted-by-cowbell`,
      ]);
      expect(await bannedIn('postfix-sasl')).not.toContain(CLEAN);
      expect(await bannedIn('postfix-sasl')).toContain(BAD);
      // The log may tell of the end before it is verified.
      await eventually(async () => {
        const { output } = await stack.cowbell('audit');
        expect(output).toMatch(new RegExp(`policy +lifted +${CLEAN}/32 +postfix-sasl`));
        expect(output).toMatch(new RegExp(`policy +keep +${BAD}/32 +postfix-sasl +score 90 of 100`));
      });

      // Banned anew, in another jail, it stays there.
      await fail2ban.client('set', 'recidive', 'banip', CLEAN);
      await eventually(() => expect(told(CLEAN).at(-1)).toBe(`unban.decided ${CLEAN}/32 keep`), { timeoutMs: 60_000 });
      expect(await bannedIn('recidive')).toContain(CLEAN);
    },
  );

  it('leaves a ban that has no end, though its log said so to an earlier cowbell', async () => {
    const config = settings('{type: fail2ban}');
    const cowbell = await watch(config, 'fail2ban');
    await fail2ban.client('set', 'forever', 'banip', BAD);
    await eventually(() => expect(told(BAD)).toContain(`unban.decided ${BAD}/32 keep`), { timeoutMs: 60_000 });
    await cowbell.end();
    await watch(config, 'fail2ban');
    await fail2ban.client('set', 'forever', 'banip', CLEAN);
    await eventually(() => expect(told(CLEAN)).toContain(`unban.decided ${CLEAN}/32 keep`), { timeoutMs: 60_000 });
    const reasons = stack.events().flatMap((event) => (event.type === 'unban.decided' ? event.decision.reasons : []));
    expect(reasons).toEqual(['the ban is meant to have no end', 'the ban is meant to have no end']);
    expect(abuseipdb.requests).toEqual([]);
    expect(await bannedIn('forever')).toContain(CLEAN);
  });

  it('ignores a network whose ban was lifted for as long as was decided, and no longer', async () => {
    const config = settings(CLIENT, `always: [${CLEAN}], then: allowlist`);
    const cowbell = await watch(config, 'fail2ban-client');
    await fail2ban.client('set', 'postfix-sasl', 'banip', CLEAN);
    await eventually(async () => expect(await fail2ban.client('get', 'postfix-sasl', 'ignoreip')).toContain(CLEAN), {
      timeoutMs: 60_000,
      everyMs: 500,
    });
    await eventually(async () =>
      expect((await stack.cowbell('audit')).output).toMatch(/lifted .*\n.* allow .*\n.* lift /),
    );
    await cowbell.end();
    // Its hour is over.
    const ledger = openLedger(stack.state, Date.now);
    const [allowance] = ledger.allowances.standing();
    expect(Math.abs((allowance?.until ?? 0) - Date.now() - 3_600_000)).toBeLessThan(120_000);
    if (allowance !== undefined) ledger.allowances.add({ ...allowance, until: Date.now() - 1 });
    ledger.close();
    await watch(config, 'fail2ban-client');
    await eventually(
      async () => expect(await fail2ban.client('get', 'postfix-sasl', 'ignoreip')).not.toContain(CLEAN),
      {
        timeoutMs: 30_000,
        everyMs: 500,
      },
    );
    await eventually(async () => expect((await stack.cowbell('audit')).output).toMatch(/policy +disallow +185/));
  });
});
