import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, PermanentError, TransientError } from '../core/errors.ts';
import { networkOf } from '../core/network.ts';
import type { Opinion, ReputationDefinition, ReputationSource, ReputationTools } from '../core/reputation.ts';
import { formatCount, plural } from '../core/text.ts';
import { type NetworkList, parseNetworkList } from './network-list.ts';

const LARGEST_FILE_BYTES = 8_388_608;

export const NetworksOptions = z.strictObject({
  file: z
    .string()
    .min(1)
    .meta({ examples: ['/etc/cowbell/networks.txt'] })
    .describe('A network a line, such as `192.0.2.0/24 80`; read again when it changes'),
  score: z.number().min(0).max(100).default(100).describe('What a network is worth that has no score behind it'),
});

/** A list of one's own: of networks that are known to be bad, or good. */
export const networksSource: ReputationDefinition<typeof NetworksOptions> = {
  type: 'networks',
  summary: 'A file with networks and their scores; nobody is told of anything',
  options: NetworksOptions,
  mistakes({ file, score }) {
    try {
      return readList(file, score).mistakes.map((message) => ({ option: 'file', message: `${file}: ${message}` }));
    } catch (error) {
      return [{ option: 'file', message: `cannot be read: ${messageOf(error)}` }];
    }
  },
  create: createNetworks,
};

function createNetworks(
  { file, score: usualScore }: z.output<typeof NetworksOptions>,
  { clock }: ReputationTools,
): ReputationSource {
  const { type: name } = networksSource;
  let known: { version: string; list: NetworkList } | undefined;

  /** What the file holds now. */
  const current = (): NetworkList => {
    let version: string;
    let read: { list: NetworkList; mistakes: string[] };
    try {
      version = versionOf(file);
      if (known?.version === version) return known.list;
      read = readList(file, usualScore);
    } catch (error) {
      throw new TransientError(`${file} cannot be read`, { cause: error });
    }
    if (read.mistakes.length > 0) throw new TransientError(`${file}: ${read.mistakes.join('; ')}`);
    known = { version, list: read.list };
    return read.list;
  };
  const opinion = (found: { network: string; score: number }): Opinion => ({
    source: name,
    score: found.score,
    note: found.network,
    checkedAt: clock.now(),
  });

  return {
    name,
    cacheMs: 0,
    async lookUp(ip) {
      const found = current().around(networkOf(ip));
      return found && opinion(found);
    },
    async lookUpNetwork(network) {
      const list = current();
      const around = list.around(network);
      const inside = list.worstInside(network);
      if (around === undefined && inside !== undefined)
        // Of the rest of it nothing is known, and whoever is in there is not to be taken for all.
        throw new PermanentError(`${file} speaks of a part of ${network} alone`, { payload: true });
      if (around === undefined) return undefined;
      return opinion(inside !== undefined && inside.score > around.score ? inside : around);
    },
    async probe() {
      return `${file} holds ${plural(current().size, 'network')}`;
    },
  };
}

/** Changes with what is in the file. */
function versionOf(file: string): string {
  const { mtimeNs, size, ino } = statSync(file, { bigint: true });
  return `${mtimeNs} ${size} ${ino}`;
}

/** Throws what the system said, or that it is none that can be read. */
function readList(file: string, usualScore: number): { list: NetworkList; mistakes: string[] } {
  const found = statSync(file);
  if (!found.isFile()) throw new Error('it is no file');
  if (found.size > LARGEST_FILE_BYTES) throw new Error(`it is larger than ${formatCount(LARGEST_FILE_BYTES)} bytes`);
  return parseNetworkList(readFileSync(file, 'utf8'), usualScore);
}
