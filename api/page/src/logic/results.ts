/** Results of several runs on test sets, side by side. */
import { number, type Run } from "./api";

export interface ComparedResult {
  set: string;
  metric: string;
  /** Of each run, in their order. */
  values: (number | null)[];
  /** Null where it is not known which direction is better, or where there are no two to compare. */
  best: number | null;
}

const LOWER = new Set("wer cer mer ser per ter der jer eer far frr rtf".split(" "));
const HIGHER = new Set("accuracy acc f1 precision recall mos".split(" "));

/** By set, then metric; of runs with their field test_sets. */
export function resultsOf(runs: readonly Run[]): ComparedResult[] {
  const names = new Set(runs.flatMap((run) => Object.entries(run.test_sets ?? {}).flatMap(([set, results]) => Object.keys(results).map((metric) => JSON.stringify([set, metric])))));
  return [...names].sort().map((name) => {
    const [set, metric] = JSON.parse(name) as [string, string];
    const values = runs.map((run) => number(run.test_sets?.[set]?.[metric]));
    return { set, metric, values, best: bestOf(metric, values.filter((value): value is number => value !== null && Number.isFinite(value))) };
  });
}

function bestOf(metric: string, values: readonly number[]): number | null {
  if (values.length < 2) return null;
  if (LOWER.has(metric)) return Math.min(...values);
  return HIGHER.has(metric) ? Math.max(...values) : null;
}
