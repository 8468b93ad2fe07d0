import type { PagedFile } from './paged-file.ts';

/** What the data section of an MMDB file is made of. https://maxmind.github.io/MaxMind-DB/#data-section */

export type Value = string | number | bigint | boolean | Uint8Array | Value[] | { [key: string]: Value };

/** No record nests deeper, and none has more values: what seems to is damaged, or made to keep us busy. */
const DEEPEST = 16;
const MOST_VALUES = 4_096;
const LONGEST_BYTES = 65_536;

/** What a pointer of each size begins to count at. */
const POINTER_BASE = [0, 2_048, 526_336, 0];

interface Field {
  type: number;
  /** As the type means it: bytes, entries, or where a pointer points to. */
  size: number;
  /** Where what follows the control bytes begins. */
  at: number;
}

const POINTER = 1;
const STRING = 2;
const MAP = 7;
const ARRAY = 11;

/** Reads values at offsets of a file. Throws on whatever is not as the format has it. */
export class DataReader {
  readonly #file: PagedFile;
  readonly #base: number;
  #left = 0;

  /** Pointers count from `base`. */
  constructor(file: PagedFile, base: number) {
    this.#file = file;
    this.#base = base;
  }

  /** The value at `offset`; of maps only the keys that are wanted, at every depth. */
  read(offset: number, wants: (key: string) => boolean): Value {
    this.#left = MOST_VALUES;
    return this.#value(offset, wants, 0).value;
  }

  #value(offset: number, wants: (key: string) => boolean, depth: number): { value: Value; end: number } {
    this.#spend(depth);
    const { type, size, at } = this.#field(offset);
    if (type === POINTER) {
      const target = this.#field(size);
      if (target.type === POINTER) throw new Error('a pointer points to a pointer');
      return { value: this.#value(size, wants, depth + 1).value, end: at };
    }
    if (type === MAP) return this.#map(at, size, wants, depth);
    if (type === ARRAY) return this.#array(at, size, wants, depth);
    return { value: this.#scalar(type, at, size), end: endOfScalar(type, at, size) };
  }

  #map(at: number, entries: number, wants: (key: string) => boolean, depth: number): { value: Value; end: number } {
    const map: Record<string, Value> = Object.create(null);
    let end = at;
    for (let entry = 0; entry < entries; entry++) {
      const key = this.#value(end, wants, depth + 1);
      if (typeof key.value !== 'string') throw new Error('a key is no text');
      if (!wants(key.value)) {
        end = this.#skip(key.end, depth + 1);
        continue;
      }
      const { value, end: next } = this.#value(key.end, wants, depth + 1);
      map[key.value] = value;
      end = next;
    }
    return { value: map, end };
  }

  #array(at: number, entries: number, wants: (key: string) => boolean, depth: number): { value: Value; end: number } {
    const list: Value[] = [];
    let end = at;
    for (let entry = 0; entry < entries; entry++) {
      const { value, end: next } = this.#value(end, wants, depth + 1);
      list.push(value);
      end = next;
    }
    return { value: list, end };
  }

  /** Where the value at `offset` ends. */
  #skip(offset: number, depth: number): number {
    this.#spend(depth);
    const { type, size, at } = this.#field(offset);
    if (type === POINTER) return at;
    if (type !== MAP && type !== ARRAY) return endOfScalar(type, at, size);
    let end = at;
    for (let left = type === MAP ? size * 2 : size; left > 0; left--) end = this.#skip(end, depth + 1);
    return end;
  }

  #spend(depth: number): void {
    if (depth > DEEPEST || --this.#left < 0) throw new Error('a record has more in it than any has');
  }

  #field(offset: number): Field {
    const control = this.#file.byte(offset);
    let at = offset + 1;
    let type = control >> 5;
    if (type === POINTER) {
      const bytes = ((control >> 3) & 3) + 1;
      const high = bytes === 4 ? 0 : (control & 7) * 256 ** bytes;
      const target = high + this.#file.uint(at, bytes) + (POINTER_BASE[bytes - 1] as number);
      return { type, size: this.#base + target, at: at + bytes };
    }
    if (type === 0) {
      type = this.#file.byte(at) + 7;
      at++;
    }
    const size = control & 31;
    if (size < 29) return { type, size, at };
    const bytes = size - 28;
    const smallest = [29, 285, 65_821][bytes - 1] as number;
    return { type, size: smallest + this.#file.uint(at, bytes), at: at + bytes };
  }

  #scalar(type: number, at: number, size: number): Value {
    if (size > LONGEST_BYTES) throw new Error('a value is longer than any is');
    switch (type) {
      case STRING:
        return this.#file.bytes(at, size).toString('utf8');
      case 3:
        return exactly(this.#file.bytes(at, size), 8).readDoubleBE();
      case 4:
        return this.#file.bytes(at, size);
      case 5:
      case 6:
        return this.#file.uint(at, atMost(size, 4));
      case 8:
        return this.#file.uint(at, atMost(size, 4)) | 0;
      case 9:
      case 10:
        return this.#file.bytes(at, atMost(size, 16)).reduce((value, byte) => value * 256n + BigInt(byte), 0n);
      case 14:
        return atMost(size, 1) === 1;
      case 15:
        return exactly(this.#file.bytes(at, size), 4).readFloatBE();
    }
    throw new Error('a value is of no known type');
  }
}

/** A boolean is its size, and has nothing behind it. */
function endOfScalar(type: number, at: number, size: number): number {
  return type === 14 ? at : at + size;
}

function atMost(size: number, most: number): number {
  if (size > most) throw new Error('a value is longer than its type');
  return size;
}

function exactly(bytes: Buffer, length: number): Buffer {
  if (bytes.length !== length) throw new Error('a value is not as long as its type');
  return bytes;
}
