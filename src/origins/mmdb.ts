import { z } from 'zod';
import { DataReader, type Value } from './mmdb-data.ts';
import { PagedFile } from './paged-file.ts';

/** A database by address in MaxMind's format. https://maxmind.github.io/MaxMind-DB/ */

const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
/** The metadata stands within the last 128 KiB. */
const METADATA_BYTES = 131_072;
const SEPARATOR_BYTES = 16;

const Metadata = z.object({
  binary_format_major_version: z.literal(2),
  node_count: z.int().positive(),
  record_size: z.literal([24, 28, 32]),
  ip_version: z.literal([4, 6]),
  database_type: z.string().default(''),
  build_epoch: z.bigint().optional(),
});

/** An open database. Reading throws where the file is damaged. */
export class Mmdb {
  /** What its maker calls it: `GeoLite2-Country`. */
  readonly type: string;
  /** When it was made, in ms since the epoch. */
  readonly builtAt: number | undefined;
  readonly #file: PagedFile;
  readonly #nodes: number;
  readonly #recordBits: number;
  readonly #isIpv6: boolean;
  readonly #treeBytes: number;
  readonly #data: DataReader;
  /** Where IPv4 addresses begin in the tree: behind 96 zeros, where it holds IPv6. */
  readonly #ipv4Root: number;

  /** Throws, with what is wrong in words, if it is no such file or not all of it. The caller calls `close`. */
  constructor(path: string) {
    this.#file = new PagedFile(path);
    try {
      const { node_count, record_size, ip_version, database_type, build_epoch } = readMetadata(this.#file);
      this.type = database_type;
      this.builtAt = build_epoch === undefined ? undefined : Number(build_epoch) * 1_000;
      this.#nodes = node_count;
      this.#recordBits = record_size;
      this.#isIpv6 = ip_version === 6;
      this.#treeBytes = (node_count * record_size) / 4;
      this.#data = new DataReader(this.#file, this.#treeBytes + SEPARATOR_BYTES);
      if (this.#treeBytes + SEPARATOR_BYTES > this.#file.size) throw new Error('the file is not all there');
      this.#ipv4Root = this.#isIpv6 ? this.#walk(new Uint8Array(12), 0) : 0;
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** What is known of an address of four or sixteen bytes; undefined for nothing. Of maps only the wanted keys. */
  find(address: Uint8Array, wants: (key: string) => boolean): Value | undefined {
    if (address.length === 16 && !this.#isIpv6) return undefined;
    const record = this.#walk(address, address.length === 4 ? this.#ipv4Root : 0);
    if (record < this.#nodes) throw new Error('the tree is deeper than an address is long');
    return record === this.#nodes ? undefined : this.#data.read(record - this.#nodes + this.#treeBytes, wants);
  }

  /** Whether the file is as it was when it was opened. */
  isUnchanged(): boolean {
    return this.#file.isUnchanged();
  }

  close(): void {
    this.#file.close();
  }

  /** Goes down the tree by the bits of an address, as far as it goes. */
  #walk(address: Uint8Array, root: number): number {
    let node = root;
    for (let bit = 0; bit < address.length * 8 && node < this.#nodes; bit++) {
      const isRight = (((address[bit >> 3] as number) >> (7 - (bit & 7))) & 1) === 1;
      node = this.#record(node, isRight);
    }
    return node;
  }

  #record(node: number, isRight: boolean): number {
    const bytes = this.#recordBits / 4;
    const at = node * bytes;
    if (this.#recordBits !== 28) return this.#file.uint(isRight ? at + bytes / 2 : at, bytes / 2);
    const middle = this.#file.byte(at + 3);
    const high = isRight ? middle & 15 : middle >> 4;
    return high * 2 ** 24 + this.#file.uint(isRight ? at + 4 : at, 3);
  }
}

function readMetadata(file: PagedFile): z.output<typeof Metadata> {
  const tailAt = Math.max(0, file.size - METADATA_BYTES);
  const marker = file.bytes(tailAt, file.size - tailAt).lastIndexOf(MARKER);
  if (marker < 0) throw new Error('it is no MMDB file, or not all of it');
  const at = tailAt + marker + MARKER.length;
  const metadata = Metadata.safeParse(new DataReader(file, at).read(at, () => true));
  if (!metadata.success) throw new Error('it is an MMDB file of an unknown kind');
  return metadata.data;
}
