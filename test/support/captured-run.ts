import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'netfilter');

/** A line of a recorded netfilter, and when it arrived. */
export interface RecordedLine {
  /** Milliseconds since the epoch. */
  at: number;
  text: string;
}

/** The ban hashes of Redis from one moment on, until the next. */
export interface RecordedState {
  at: number;
  /** Field → value of `F2B_ACTIVE_BANS`. */
  active: Record<string, string>;
  /** Field → value of `F2B_PERM_BANS`. */
  permanent: Record<string, string>;
  /** Part of the first look at a new life of Redis. */
  restarted: boolean;
}

/** One run of the real netfilter: what it printed and what it kept in Redis meanwhile. */
export function readCapturedRun(name: string): { lines: RecordedLine[]; states: RecordedState[] } {
  const lines = readFileSync(join(FOLDER, `${name}.stdout.ts.log`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const blank = line.indexOf(' ');
      return { at: Math.round(Number(line.slice(0, blank)) * 1000), text: line.slice(blank + 1) };
    });
  const states: RecordedState[] = [];
  let active: Record<string, string> = {};
  let permanent: Record<string, string> = {};
  let restarted = false;
  for (const json of readFileSync(join(FOLDER, `${name}.redis-changes.jsonl`), 'utf8').split('\n')) {
    if (json === '') continue;
    const change = JSON.parse(json) as { at: number; key: string; value: Record<string, string> };
    if (change.key === 'F2B_ACTIVE_BANS') active = change.value;
    else if (change.key === 'F2B_PERM_BANS') permanent = change.value;
    else {
      restarted ||= change.key === 'ERR';
      continue;
    }
    const at = Math.round(change.at * 1000);
    const before = states.at(-1);
    if (before?.at === at) restarted ||= before.restarted;
    states.push({ at, active, permanent, restarted });
    restarted = false;
  }
  return { lines, states };
}

/** The stretches of time in which a field stood in `F2B_ACTIVE_BANS`, by the hash's history alone. */
export function standingIn(
  states: readonly RecordedState[],
): { network: string; from: number; to: number; until: number }[] {
  const open = new Map<string, { network: string; from: number; to: number; until: number }>();
  const all = [];
  for (const { at, active } of states) {
    for (const [network, value] of Object.entries(active)) {
      const known = open.get(network);
      if (known === undefined) {
        const stretch = { network, from: at, to: Number.POSITIVE_INFINITY, until: Number(value) * 1000 };
        open.set(network, stretch);
        all.push(stretch);
      } else if (/^\d+$/.test(value)) known.until = Number(value) * 1000;
    }
    for (const [network, stretch] of open) {
      if (network in active) continue;
      stretch.to = at;
      open.delete(network);
    }
  }
  return all;
}
