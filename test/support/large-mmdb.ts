import { closeSync, openSync, writeSync } from 'node:fs';
import { mmdbOf } from './mmdb-writer.ts';

const COUNTRIES = ['DE', 'NL', 'FR', 'US', 'CN', 'BR', 'RU', 'IN'];
const KEYS = ['country_code', 'autonomous_system_number', 'autonomous_system_organization'];
const RECORD_BYTES = 20;
const CHUNK = 65_536;

/**
 * Writes a database in which each IPv4 network of `depth` bits has a record of its own: with 22 bits 117 MB. It is made
 * piece by piece, in no more memory than one piece takes.
 */
export function writeLargeMmdb(path: string, depth: number): void {
  const networks = 2 ** depth;
  const nodes = networks - 1;
  const keys = Buffer.concat(KEYS.map(textOf));
  const file = openSync(path, 'w');
  try {
    const recordOf = (network: number) => nodes + 16 + keys.length + network * RECORD_BYTES;
    writeChunks(file, nodes, 8, (chunk, at, node) => {
      // A node, all that is left of it, all that is right of it: as the makers of databases write them.
      const { left, below } = placeOf(node, depth);
      chunk.writeUInt32BE(below === 0 ? recordOf(left) : node + 1, at);
      chunk.writeUInt32BE(below === 0 ? recordOf(left + 1) : node + 1 + below, at + 4);
    });
    writeSync(file, Buffer.concat([Buffer.alloc(16), keys]));
    const pointers = pointersTo(KEYS);
    writeChunks(file, networks, RECORD_BYTES, (chunk, at, network) => {
      const name = textOf((network % 4_096).toString(16).padStart(3, '0'));
      const number = Buffer.alloc(5);
      number[0] = 0xc4;
      number.writeUInt32BE(network + 1, 1);
      const country = textOf(COUNTRIES[network % COUNTRIES.length] ?? '');
      const [code, asn, organization] = pointers as [Buffer, Buffer, Buffer];
      Buffer.concat([Buffer.of(0xe3), code, country, asn, number, organization, name]).copy(chunk, at);
    });
    writeSync(file, metadataOf(nodes, path));
  } finally {
    closeSync(file);
  }
}

/** What the database says of the network that an address of four bytes is in. */
export function largeOrigin(address: Uint8Array, depth: number) {
  const network = Buffer.from(address).readUInt32BE() >>> (32 - depth);
  return {
    country: COUNTRIES[network % COUNTRIES.length],
    asn: network + 1,
    asName: (network % 4_096).toString(16).padStart(3, '0'),
  };
}

/** How many networks there are left of what is below a node, and how many nodes below it on each side. */
function placeOf(node: number, depth: number): { left: number; below: number } {
  let left = 0;
  let first = 0;
  let below = 2 ** (depth - 1) - 1;
  while (first !== node) {
    const isRight = node > first + below;
    first += isRight ? below + 1 : 1;
    if (isRight) left += below + 1;
    below = (below - 1) / 2;
  }
  return { left, below };
}

function writeChunks(
  file: number,
  count: number,
  bytes: number,
  fill: (chunk: Buffer, at: number, index: number) => void,
): void {
  for (let first = 0; first < count; first += CHUNK) {
    const many = Math.min(CHUNK, count - first);
    const chunk = Buffer.alloc(many * bytes);
    for (let index = 0; index < many; index++) fill(chunk, index * bytes, first + index);
    writeSync(file, chunk);
  }
}

/** Shorter than 29 bytes, or 30. */
function textOf(text: string): Buffer {
  const control = text.length < 29 ? [0x40 | text.length] : [0x5d, text.length - 29];
  return Buffer.concat([Buffer.from(control), Buffer.from(text)]);
}

function pointersTo(texts: readonly string[]): Buffer[] {
  let at = 0;
  return texts.map((text) => {
    const pointer = Buffer.of(0x20 | (at >> 8), at & 255);
    at += textOf(text).length;
    return pointer;
  });
}

/** As a small database has it, with as many nodes. */
function metadataOf(nodes: number, type: string): Buffer {
  const small = mmdbOf([['0.0.0.0/1', 'x']], { ipVersion: 4, recordSize: 32, type, nodes });
  return small.subarray(small.lastIndexOf(Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')));
}
