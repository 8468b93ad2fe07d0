import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { addressKey, type Ip, isPublic } from '../core/network.ts';
import type { Origin, OriginOf } from '../core/origin.ts';
import { OriginFile, type OriginFileState } from './origin-file.ts';
import { shippedDatabase } from './shipped.ts';

export interface OriginOptions {
  /** Paths of MMDB files; what one does not know the next is asked. */
  files: readonly string[];
  /** Whether the database that comes with cowbell is asked last. */
  shipped: boolean;
}

export interface Origins {
  originOf: OriginOf;
  /** What is asked, in this order. */
  states(): (OriginFileState & { isShipped: boolean })[];
  close(): void;
}

/** Says where addresses are from, by databases on this machine. The caller calls `close`. */
export function createOrigins(
  { files, shipped }: OriginOptions,
  tools: { clock: Pick<Clock, 'now'>; logger: Logger },
): Origins {
  const paths = [...files, ...(shipped ? [shippedDatabase()] : [])];
  const databases = paths.map((path) => new OriginFile(path, tools));
  return {
    originOf(ip) {
      // Whatever a database says of them, they are nowhere.
      if (databases.length === 0 || !isPublic(ip)) return {};
      const address = bytesOf(ip);
      let known: Origin = {};
      for (const database of databases) {
        if (known.country !== undefined && known.asn !== undefined) break;
        known = { ...database.find(address), ...known };
      }
      return known;
    },
    states: () => databases.map((database, index) => ({ ...database.state(), isShipped: index >= files.length })),
    close() {
      for (const database of databases) database.close();
    },
  };
}

function bytesOf(ip: Ip): Uint8Array {
  const key = addressKey(ip);
  return ip.includes(':') ? key : key.subarray(12);
}
