/** Alignments of several hypotheses to one reference, as columns that fit into lines. */

export type Operation = "hit" | "substitution" | "deletion" | "insertion";

export interface Step {
  operation: Operation;
  reference: string | null;
  hypothesis: string | null;
}

export interface Alignment {
  unit: string | null;
  utterance: string;
  speaker: string;
  reference: string;
  hypotheses: { evaluation: string; run_id: string; run: string; hypothesis: string | null; steps: Step[] | null; errors: number }[];
}

/** reference: null where a hypothesis has a token more; steps: of each hypothesis, null where it has nothing there. */
export interface Column {
  reference: string | null;
  steps: (Step | null)[];
}

/** One column for each token of the reference, and between them one for each place where a hypothesis inserts. */
export function merged(hypotheses: readonly (readonly Step[] | null)[]): Column[] {
  const length = Math.max(0, ...hypotheses.map((steps) => steps?.filter((step) => step.reference !== null).length ?? 0));
  const inserted: Column[][] = Array.from({ length: length + 1 }, () => []);
  const spoken: Column[] = Array.from({ length }, () => ({ reference: null, steps: hypotheses.map(() => null) }));
  hypotheses.forEach((steps, system) => {
    let [place, extra] = [0, 0];
    for (const step of steps ?? []) {
      if (step.reference !== null) {
        spoken[place]!.reference = step.reference;
        spoken[place]!.steps[system] = step;
        place += 1;
        extra = 0;
        continue;
      }
      const gap = inserted[place]!;
      gap[extra] ??= { reference: null, steps: hypotheses.map(() => null) };
      gap[extra]!.steps[system] = step;
      extra += 1;
    }
  });
  return inserted.flatMap((gap, place) => [...gap, ...spoken.slice(place, place + 1)]);
}

/** Which word of the first hypothesis stands in a column, from 0. */
export function wordNumbers(columns: readonly Column[]): Map<Column, number> {
  const spoken = columns.filter((column) => (column.steps[0]?.hypothesis ?? null) !== null);
  return new Map(spoken.map((column, number) => [column, number]));
}

/** Broken where a line would be wider than so many letters. */
export function lines(columns: readonly Column[], letters: number): Column[][] {
  const found: Column[][] = [];
  let width = Infinity;
  for (const column of columns) {
    const mine = 2 + Math.max(1, column.reference?.length ?? 0, ...column.steps.map((step) => step?.hypothesis?.length ?? 0));
    if (width + mine > letters) {
      found.push([]);
      width = 0;
    }
    found.at(-1)!.push(column);
    width += mine;
  }
  return found;
}
