import { PermanentError, TransientError } from '../../core/errors.ts';
import { hostOf, type Network, parseNetwork } from '../../core/network.ts';
import { safeText } from '../../core/text.ts';
import type { ListingUnbanner } from '../../core/unbanner.ts';
import type { ContainerSelector, Exec } from '../../core/watcher.ts';
import {
  type BanTime,
  parseBanned,
  parseIgnored,
  parseJailList,
  parseOffset,
  parseStatus,
  parseTimes,
} from '../../watchers/fail2ban-client-answers.ts';
import { createFail2banClient } from '../../watchers/fail2ban-client-run.ts';

/** The client answers when it is done; a ban comes into force within a second. */
const TAKES_MS = 5_000;
/** Names come from logs: only such as can be nothing but an argument. */
const JAIL = /^[\w.][\w.-]{0,63}$/;

/** Lifts bans of fail2ban by its own client, run in its container, each argument as it is and without a shell. */
export function createFail2banUnbanner({
  exec,
  selector,
  socket,
  jails,
}: {
  exec: Exec;
  selector: ContainerSelector;
  /** fail2ban's own socket inside the container. */
  socket?: string | undefined;
  /** Those that it covers; all if not given. */
  jails?: readonly string[] | undefined;
}): ListingUnbanner {
  const client = createFail2banClient({ exec, selector, socket });
  const ask = async (signal: AbortSignal, ...command: string[]) => {
    const answer = await client.ask(signal, ...command);
    if (answer === undefined) throw new PermanentError(`this fail2ban does not know \`${command.join(' ')}\``);
    return answer;
  };

  /** What is banned in a jail, and since when and for how long where fail2ban, from 0.11 on, says so. */
  async function targetsOf(jail: string, signal: AbortSignal): Promise<ReadonlyMap<string, BanTime | undefined>> {
    const answer = await client.ask(signal, 'get', checkJail(jail), 'banip', '--with-time');
    if (answer !== undefined) return parseTimes(answer).times;
    const targets = parseStatus(await ask(signal, 'status', jail));
    if (targets === undefined) throw new TransientError(`fail2ban-client status ${jail} prints no list of bans`);
    return new Map(targets.map((target) => [target, undefined]));
  }

  /** `target` is as it stands in the jail: an address without a prefix length. */
  async function banOf(jail: string, network: Network, signal: AbortSignal) {
    const all = [...(await targetsOf(jail, signal))];
    const [target, time] = all.find(([each]) => parseNetwork(each) === network) ?? [];
    return target === undefined ? undefined : { target, time };
  }

  async function ignoredAs(jail: string, network: Network, signal: AbortSignal): Promise<string | undefined> {
    const ignored = parseIgnored(await ask(signal, 'get', checkJail(jail), 'ignoreip'));
    if (ignored === undefined) throw new TransientError(`fail2ban-client get ${jail} ignoreip prints no list`);
    return ignored.find((each) => parseNetwork(each) === network);
  }

  /** ms since the epoch. An older fail2ban tells nothing but how long bans of the jail last: whether they end at all. */
  async function endOf(jail: string, time: BanTime | undefined, signal: AbortSignal): Promise<number | undefined> {
    if (time === undefined)
      return Number(await ask(signal, 'get', jail, 'bantime')) < 0 ? Number.POSITIVE_INFINITY : undefined;
    if (!Number.isFinite(time.lengthMs)) return Number.POSITIVE_INFINITY;
    const offsetMs = parseOffset((await client.zone(signal)) ?? '') ?? 0;
    return time.startedAt - offsetMs + time.lengthMs;
  }

  async function jailsOf(signal: AbortSignal): Promise<Iterable<readonly [string, readonly string[] | undefined]>> {
    const answer = await client.ask(signal, 'banned');
    const banned = answer === undefined ? undefined : parseBanned(answer);
    if (banned !== undefined) return banned;
    const names = parseJailList(await ask(signal, 'status'));
    if (names === undefined) throw new TransientError('fail2ban-client status prints no list of jails');
    return names.map((name) => [name, undefined] as const);
  }

  const covers = (jail: string) => jail !== 'netfilter' && (jails?.includes(jail) ?? true);
  return {
    name: 'fail2ban-client',
    takesMs: TAKES_MS,
    covers,
    async look(jail, network, signal) {
      const ban = await banOf(jail, network, signal);
      return ban && { until: await endOf(jail, ban.time, signal) };
    },
    async lift(jail, network, signal) {
      // Of a network that is not banned as such, fail2ban would lift every ban inside of it.
      const ban = await banOf(jail, network, signal);
      if (ban === undefined) return false;
      return (await ask(signal, 'set', jail, 'unbanip', ban.target)).trim() !== '0';
    },
    async allow(jail, network, signal, onAbsent) {
      if ((await ignoredAs(jail, network, signal)) !== undefined) return false;
      onAbsent?.();
      await ask(signal, 'set', jail, 'addignoreip', spell(network));
      return true;
    },
    async disallow(jail, network, signal) {
      const entry = await ignoredAs(jail, network, signal);
      if (entry === undefined) return false;
      await ask(signal, 'set', jail, 'delignoreip', entry);
      return true;
    },
    async deny(jail, network, signal) {
      if ((await banOf(jail, network, signal)) !== undefined) return false;
      await ask(signal, 'set', jail, 'banip', spell(network));
      return true;
    },
    async standing(signal) {
      const bans: { jail: string; network: Network }[] = [];
      for (const [jail, listed] of await jailsOf(signal)) {
        if (!covers(jail) || !JAIL.test(jail)) continue;
        for (const target of listed ?? (await targetsOf(jail, signal)).keys()) {
          const network = parseNetwork(target);
          if (network !== undefined) bans.push({ jail, network });
        }
      }
      return bans;
    },
  };
}

function checkJail(jail: string): string {
  if (JAIL.test(jail)) return jail;
  throw new PermanentError(`${safeText(jail, 64)} is no name of a jail that cowbell would hand to fail2ban-client`);
}

/** As fail2ban spells it. */
function spell(network: Network): string {
  return hostOf(network) ?? network;
}
