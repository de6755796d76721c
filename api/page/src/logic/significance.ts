/** Which systems really differ on a set, as the API tells it, and how people are told. */
import { plain, settings } from "./format";
import { rate } from "./sheets";
import { rateName, type System } from "./scores";
import type { Evaluation } from "./evaluations";
import type { Sheet, SheetCell } from "./exports";

interface Between {
  low: number;
  high: number;
}

interface Outcome {
  p: number | null;
}

/** To the system that all are compared with; negative: fewer errors. */
export interface Difference {
  difference: number;
  interval: Between;
  improvement: number;
  p: number;
  p_adjusted: number | null;
  reduction: number | null;
  mapsswe: Outcome | null;
  wilcoxon: Outcome | null;
  mcnemar: Outcome;
  welch: Outcome | null;
}

export interface ComparedSystem {
  evaluation: string;
  run_id: string;
  run: string;
  decoding: string;
  rate: number | null;
  interval: Between | null;
  covered: number;
  coverage: number | null;
  best: boolean;
  tied: boolean;
  differs: string[];
  difference: Difference | null;
  across_seeds: { seeds: number; mean: number; sd: number | null } | null;
}

export interface Significance {
  vector: string;
  profile: string;
  unit: string | null;
  test_set: string | null;
  against: string | null;
  alpha: number;
  draws: number;
  drawn: string | null;
  utterances: number;
  speakers: number;
  common: boolean;
  warnings: string[];
  systems: ComparedSystem[];
}

/** So many systems are tested at once. */
export const MOST_TESTED = 20;

/** The lowest rate first, those without one last. */
export function ranked(found: Significance): ComparedSystem[] {
  return [...found.systems].sort((a, b) => (a.rate ?? Infinity) - (b.rate ?? Infinity));
}

/** What the tests say of a system, in a few words. */
export function verdictOf(system: ComparedSystem, { against, alpha }: Pick<Significance, "against" | "alpha">): string {
  if (system.evaluation === against) return system.best ? "the best" : "compared with";
  const tested = system.difference;
  if (!tested) return "nothing in common";
  const p = tested.p_adjusted ?? tested.p;
  if (p >= alpha) return "not told apart";
  return tested.difference < 0 ? "fewer errors" : "more errors";
}

/** In points of per cent, with its sign: −1.20 */
export function points(difference: number): string {
  const text = Math.abs(difference * 100).toFixed(2);
  return `${difference < 0 ? "−" : difference > 0 ? "+" : ""}${text}`;
}

/** p as papers have it; the bootstrap knows none below one of its draws. */
export function pText(p: number | null | undefined, draws = 0): string {
  if (p === null || p === undefined) return "–";
  const least = draws ? 1 / draws : 0.0001;
  if (p < least) return `< ${plain(least)}`;
  return p < 0.001 ? plain(p) : p.toFixed(3);
}

export function nameOf(system: Pick<ComparedSystem, "run" | "decoding">): string {
  return [system.run, settings(system.decoding)].filter(Boolean).join(" ");
}

export function significanceSheet(found: Significance): Sheet {
  const base = found.systems.find((each) => each.evaluation === found.against);
  const p = (value: number | null | undefined): SheetCell => ({ text: pText(value), value: value ?? null });
  const change = (value: number | undefined): SheetCell => ({ text: value === undefined ? "" : points(value), value: value ?? null });
  const numbers = [rateName(found.unit), "low", "high", "Difference", "difference low", "difference high", "p", "p (Holm)", "MAPSSWE p", "Wilcoxon p", "McNemar p", "Welch p"];
  return {
    name: `Significance on ${found.test_set ?? "several sets"}`,
    notes: [
      `profile ${found.profile}`, base ? `against ${nameOf(base)} (evaluation ${base.evaluation})` : "",
      `${found.utterances} utterances${found.common ? " in common" : ""}`, `${found.draws} draws of ${found.drawn ?? "nothing"}`, `alpha ${found.alpha}`,
    ].filter(Boolean),
    vector: found.vector,
    columns: [{ title: "System" }, { title: "Decoding" }, ...numbers.map((title) => ({ title, numeric: true })), { title: "Verdict" }, { title: "Evaluation" }],
    rows: ranked(found).map((each) => [
      each.run, each.decoding, rate(each.rate, each.best), rate(each.interval?.low), rate(each.interval?.high),
      change(each.difference?.difference), change(each.difference?.interval.low), change(each.difference?.interval.high),
      p(each.difference?.p), p(each.difference?.p_adjusted), p(each.difference?.mapsswe?.p), p(each.difference?.wilcoxon?.p), p(each.difference?.mcnemar.p), p(each.difference?.welch?.p),
      verdictOf(each, found), each.evaluation,
    ]),
  };
}

/** One evaluation and the best of its set beside it, at most so many. */
export function withTheBest(id: string, found: readonly Evaluation[], most: number): string[] {
  const others = found.filter((each) => each.id !== id && each.score !== null && each.score.rate !== null);
  others.sort((a, b) => a.score!.rate! - b.score!.rate!);
  return [id, ...others.slice(0, most - 1).map((each) => each.id)];
}

/** What is tested of a column: the systems that are chosen, or else the best of those on its references. */
export function testedOf(set: string, systems: readonly System[], chosen: readonly System[]): string[] {
  const on = (among: readonly System[]) => among.flatMap(({ cells }) => cells[set] ?? []).filter((cell) => cell.rate !== null);
  const picked = on(chosen);
  const cells = picked.length > 1 ? picked : on(systems).filter((cell) => !cell.differs.includes("references"));
  return cells.sort((a, b) => a.rate! - b.rate!).slice(0, MOST_TESTED).map((cell) => cell.evaluation);
}
