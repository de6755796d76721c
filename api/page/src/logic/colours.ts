/** A run keeps its colour: it comes from the run's id, the same in every view, session and browser. */

/** Apart from each other for most eyes, and readable as lines on light and on dark. */
const COLOURS = [
  "#3b82f6", "#d9480f", "#37a34a", "#b14fcb", "#d12f6b", "#0c8599", "#b8860b", "#7c5cff",
  "#e03131", "#12a57a", "#a9744f", "#2aa9d2", "#64748b", "#7f9f10", "#5d7f73", "#e26fb4",
] as const;

export function colourOf(run: string): string {
  return COLOURS[placeOf(run)]!;
}

/** Dashes tell runs apart whose colours happen to be the same. */
export function dashOf(run: string, beside: readonly string[]): number[] {
  const same = beside.filter((each) => placeOf(each) === placeOf(run));
  const place = Math.max(0, same.indexOf(run));
  return [[], [8, 4], [2, 3], [10, 3, 2, 3]][place % 4]!;
}

function placeOf(run: string): number {
  let hash = 2166136261;
  for (const letter of run) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
  return (hash >>> 8) % COLOURS.length;
}
