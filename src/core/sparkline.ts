const BLOCKS = '▁▂▃▄▅▆▇█';

/** Counts as a line of blocks, `▁▂▅█`, the highest one full; a count of none is the lowest block. */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(1, ...values);
  return values.map((value) => BLOCKS[Math.min(7, Math.ceil((Math.max(0, value) / highest) * 7))] ?? '').join('');
}
