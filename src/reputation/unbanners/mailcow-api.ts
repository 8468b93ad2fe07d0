import type { Clock } from '../../core/clock.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { HttpClient } from '../../core/http.ts';
import type { Network } from '../../core/network.ts';
import type { ListingUnbanner } from '../../core/unbanner.ts';
import type { MailcowApiAddress } from '../../core/watcher.ts';
import { createMailcowApi, type MailcowApi } from '../../watchers/mailcow-api-client.ts';
import { readApiState } from '../../watchers/mailcow-api-state.ts';

const JAIL = 'netfilter';
/** The same queue as in Redis, which netfilter works off every ten seconds. */
const TAKES_MS = 12_000;
/** Each look makes mailcow write a record of it and read its settings. */
const LOOK_EVERY_MS = 3_000;
const CANNOT_DISALLOW =
  "mailcow's API cannot take a single network off the allowlist: do so in mailcow (System, Configuration, Options, Fail2ban parameters), or give cowbell `redis`";

/** Lifts mailcow's bans by its API; what it says to an order proves nothing, so each begins with a look. */
export function createMailcowApiUnbanner(options: {
  address: MailcowApiAddress;
  http: HttpClient;
  clock: Clock;
}): ListingUnbanner {
  const api = refuseAfterRefusal(createMailcowApi(options));
  const state = async (signal: AbortSignal) => {
    const answer = await api.get('fail2ban', signal);
    if (answer === undefined) throw new TransientError("mailcow's list of bans is longer than can be read");
    return { ...readApiState(answer), answeredAt: answer.answeredAt };
  };
  return {
    name: 'mailcow-api',
    takesMs: TAKES_MS,
    lookEveryMs: LOOK_EVERY_MS,
    covers: (jail) => jail === JAIL,
    async look(_jail, network, signal) {
      const { bans, answeredAt } = await state(signal);
      if (!bans.has(network)) return undefined;
      const leftMs = bans.get(network);
      return { until: leftMs === undefined ? undefined : answeredAt + leftMs };
    },
    async lift(_jail, network, signal) {
      const { bans, spellings } = await state(signal);
      if (!bans.has(network)) return false;
      await api.order('unban', spellings.get(network) ?? network, signal);
      return true;
    },
    async allow(_jail, network, signal, onAbsent) {
      if ((await state(signal)).allowlist.includes(network)) return false;
      onAbsent?.();
      await api.order('whitelist', network, signal);
      return true;
    },
    cannotDisallow: CANNOT_DISALLOW,
    disallow: async () => {
      throw new PermanentError(CANNOT_DISALLOW);
    },
    async deny(_jail, network, signal) {
      if ((await state(signal)).denylist.includes(network)) return false;
      await api.order('blacklist', network, signal);
      return true;
    },
    async standing(signal) {
      return [...(await state(signal)).bans.keys()].map((network: Network) => ({ jail: JAIL, network }));
    },
  };
}

/** After a final refusal nothing is asked again: each call would count as a failed login, and ten of them ban this host. */
function refuseAfterRefusal(api: MailcowApi): MailcowApi {
  let refusal: PermanentError | undefined;
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    if (refusal !== undefined) throw refusal;
    try {
      return await work();
    } catch (error) {
      if (error instanceof PermanentError && error.isFinal) refusal = error;
      throw error;
    }
  };
  return {
    get: (...args) => guard(() => api.get(...args)),
    order: (...args) => guard(() => api.order(...args)),
  };
}
