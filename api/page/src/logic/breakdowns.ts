/** Error rates of groups: how they are spread, and as a matrix of two factors. */

export interface Group {
  by: Record<string, string>;
  rate: number | null;
  errors: number;
  tokens: number;
  substitutions: number;
  deletions: number;
  insertions: number;
  utterances: number;
  coverage: number | null;
  interval: { low: number; high: number } | null;
}

export interface Spread {
  low: number;
  quarter: number;
  median: number;
  threeQuarters: number;
  high: number;
}

/** Quantiles of the groups' rates, each group counted once; null where there are not two with a rate. */
export function spreadOf(groups: readonly Group[]): Spread | null {
  const rates = groups.flatMap(({ rate }) => rate ?? []).sort((a, b) => a - b);
  if (rates.length < 2) return null;
  const at = (share: number) => {
    const place = share * (rates.length - 1);
    const below = rates[Math.floor(place)]!;
    return below + (rates[Math.ceil(place)]! - below) * (place % 1);
  };
  return { low: at(0), quarter: at(0.25), median: at(0.5), threeQuarters: at(0.75), high: at(1) };
}

export interface Matrix {
  rows: string[];
  columns: string[];
  cell: (row: string, column: string) => Group | undefined;
  highest: number;
}

/** Groups of two factors, the values of each in the order of their names, numbers as numbers. */
export function matrixOf(groups: readonly Group[], [first, second]: readonly [string, string]): Matrix {
  const cells = new Map(groups.map((group) => [JSON.stringify([group.by[first], group.by[second]]), group]));
  const values = (factor: string) => [...new Set(groups.map((group) => group.by[factor] ?? ""))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const highest = Math.max(0, ...groups.map((group) => group.rate ?? 0));
  return { rows: values(first), columns: values(second), cell: (row, column) => cells.get(JSON.stringify([row, column])), highest };
}
