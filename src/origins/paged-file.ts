import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs';

const PAGE_BYTES = 4_096;
/** 1 MB in all, whatever the size of the file. */
const PAGES = 256;

/**
 * A file that is read where it is asked for, through a small cache: a large one takes no more memory than a small one.
 * Reading throws where the file ends.
 */
export class PagedFile {
  readonly size: number;
  readonly #fd: number;
  readonly #stamp: string;
  /** Which page of the file each place of the cache holds, -1 for none. */
  readonly #held = new Int32Array(PAGES).fill(-1);
  readonly #cache = Buffer.alloc(PAGES * PAGE_BYTES);

  /** Throws if there is no such file. The caller calls `close`. */
  constructor(path: string) {
    this.#fd = openSync(path, 'r');
    const stats = fstatSync(this.#fd);
    this.size = stats.size;
    this.#stamp = contentStamp(stats);
  }

  byte(offset: number): number {
    if (!(offset >= 0 && offset < this.size)) throw new Error('the file ends before what it refers to');
    const page = Math.floor(offset / PAGE_BYTES);
    const place = placeOf(page);
    if (this.#held[place] !== page) this.#load(page, place);
    return this.#cache[place * PAGE_BYTES + (offset % PAGE_BYTES)] as number;
  }

  /** Up to six bytes as one number, the first byte the highest. */
  uint(offset: number, length: number): number {
    let value = 0;
    for (let index = 0; index < length; index++) value = value * 256 + this.byte(offset + index);
    return value;
  }

  bytes(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index++) bytes[index] = this.byte(offset + index);
    return bytes;
  }

  /** Whether nobody has written to it since it was opened: all that was read is of one piece. */
  isUnchanged(): boolean {
    try {
      return contentStamp(fstatSync(this.#fd)) === this.#stamp;
    } catch {
      return false;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #load(page: number, place: number): void {
    this.#held[place] = -1;
    const wanted = Math.min(PAGE_BYTES, this.size - page * PAGE_BYTES);
    const read = readSync(this.#fd, this.#cache, place * PAGE_BYTES, wanted, page * PAGE_BYTES);
    if (read < wanted) throw new Error('the file is shorter than it was');
    this.#held[place] = page;
  }
}

/** Spread: what is a power of two apart, as the halves of a tree are, would drive one another out. */
function placeOf(page: number): number {
  return (Math.imul(page, 0x9e3779b1) >>> 16) % PAGES;
}

function contentStamp({ size, mtimeMs }: Stats): string {
  return `${size} ${mtimeMs}`;
}

/** Says which file is at a path, and which state of it. */
export function fileStamp(stats: Stats): string {
  return `${stats.dev} ${stats.ino} ${contentStamp(stats)}`;
}
