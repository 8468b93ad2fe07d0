import type { Resolver } from 'node:dns/promises';
import type { Clock } from '../core/clock.ts';
import { type Ip, isPublic, parseIp } from '../core/network.ts';

/** Longest that a server is waited for, and how often it is asked. */
const TRY_MS = 1_000;
const TRIES = 2;
/** Addresses that are asked about at a time; others go without a name. */
const AT_ONCE = 16;
/** Names of one address that are tried; whoever owns it may give it thousands. */
const NAMES = 2;
/** In cleaned-up form: letters, digits, hyphens, underscores. https://www.rfc-editor.org/rfc/rfc1035#section-2.3.1 */
const HOSTNAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}$/;
const REMEMBERED = 2_000;
const KEPT_MS = 3_600_000;
/** What could not be found out may be so in a while. */
const MISSING_MS = 600_000;

export interface HostnameOptions {
  clock: Clock;
  /** `192.0.2.53`, `[2001:db8::53]:5353`. Default: the system's own. */
  servers?: readonly string[];
}

/**
 * Names of addresses by reverse DNS. Whoever owns an address may give it any name: one is believed only if that name leads
 * back to the address. The caller calls `close`.
 */
export class Hostnames {
  readonly #clock: Clock;
  readonly #servers: readonly string[];
  readonly #known = new Map<Ip, { name: string | undefined; until: number }>();
  readonly #underWay = new Map<Ip, Promise<string | undefined>>();
  readonly #resolvers = new Set<Resolver>();
  #isClosed = false;

  constructor({ clock, servers = [] }: HostnameOptions) {
    this.#clock = clock;
    this.#servers = servers;
  }

  /** Undefined where there is none that is confirmed, or too much is asked at a time. Takes some seconds at most; never throws. */
  async nameOf(ip: Ip): Promise<string | undefined> {
    const known = this.#known.get(ip);
    const now = this.#clock.now();
    if (known !== undefined && known.until > now && known.until <= now + KEPT_MS) return known.name;
    const already = this.#underWay.get(ip);
    if (already !== undefined) return await already;
    if (this.#isClosed || !isPublic(ip) || this.#underWay.size >= AT_ONCE) return undefined;
    const work = this.#ask(ip).finally(() => this.#underWay.delete(ip));
    this.#underWay.set(ip, work);
    return await work;
  }

  /** Ends what is under way. */
  close(): void {
    this.#isClosed = true;
    for (const resolver of this.#resolvers) resolver.cancel();
  }

  async #ask(ip: Ip): Promise<string | undefined> {
    const { Resolver: Made } = await import('node:dns/promises');
    const resolver = new Made({ timeout: TRY_MS, tries: TRIES });
    if (this.#servers.length > 0) resolver.setServers(this.#servers);
    this.#resolvers.add(resolver);
    if (this.#isClosed) resolver.cancel();
    let name: string | undefined;
    try {
      for (const claimed of await claimedNames(resolver, ip)) {
        if (this.#isClosed) return undefined;
        if (await leadsTo(resolver, claimed, ip)) {
          name = claimed;
          break;
        }
      }
    } finally {
      this.#resolvers.delete(resolver);
    }
    this.#remember(ip, name);
    return name;
  }

  #remember(ip: Ip, name: string | undefined): void {
    this.#known.delete(ip);
    this.#known.set(ip, { name, until: this.#clock.now() + (name === undefined ? MISSING_MS : KEPT_MS) });
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** What the owner of the address says; none where nobody says anything in time. */
async function claimedNames(resolver: Resolver, ip: Ip): Promise<string[]> {
  const names = await resolver.reverse(ip).catch((): string[] => []);
  return names
    .slice(0, NAMES)
    .map((name) => name.toLowerCase().replace(/\.$/, ''))
    .filter((name) => HOSTNAME.test(name));
}

async function leadsTo(resolver: Resolver, name: string, ip: Ip): Promise<boolean> {
  const addresses = await (ip.includes(':') ? resolver.resolve6(name) : resolver.resolve4(name)).catch(
    (): string[] => [],
  );
  return addresses.some((address) => parseIp(address) === ip);
}
