/** One line of the table: what was measured, the goal, what came out, and whether it is within the goal. */
export interface Row {
  what: string;
  goal: string;
  figure: string;
  isMet: boolean;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The rows as a table in Markdown. */
export function formatRows(rows: readonly Row[]): string {
  const lines = rows.map(({ what, goal, figure, isMet }) => `| ${what} | ${goal} | ${figure}${isMet ? '' : ' ✗'} |`);
  return ['| what | goal | measured |', '|---|---|---|', ...lines].join('\n');
}
