/** Scores as the API has them, and what people are told of them: which is best, and why two are not comparable. */
import { plain, realTime } from "./format";

export interface Cell {
  evaluation: string;
  rate: number | null;
  errors: number | null;
  tokens: number | null;
  utterances: number | null;
  coverage: number | null;
  mean_of_speakers: number | null;
  speakers: number | null;
  rtf: number | null;
  revision: number | null;
  differs: string[];
  /** Only where it was asked for, and for a cell on its column's references. */
  certainty?: Certainty | null;
}

/** 95 % interval of the rate; p: of the difference to the best of the column, null for the best itself. */
export interface Certainty {
  low: number | null;
  high: number | null;
  drawn: string | null;
  p: number | null;
  tied: boolean;
}

export interface System {
  run_id: string;
  run: string;
  experiment: string | null;
  decoding: string;
  cells: Record<string, Cell>;
  macro_over_sets: number | null;
  missing: number;
}

export interface ScoredSet {
  test_set: string;
  registered: boolean;
  revision: number | null;
  references: string | null;
  systems: number;
}

export interface Scoreboard {
  vector?: string;
  profile: string;
  unit: string | null;
  test_sets: ScoredSet[];
  systems: System[];
  warnings?: string[];
}

export function rateText(rate: number | null | undefined): string {
  return rate === null || rate === undefined ? "–" : `${(rate * 100).toFixed(2)} %`;
}

/** Shares of a whole: 100 % only where nothing is missing. */
export function shareText(share: number | null | undefined): string {
  if (share === null || share === undefined) return "–";
  const shown = Math.floor(share * 1000) / 10;
  return `${shown === 100 ? 100 : shown.toFixed(1)} %`;
}

export function counted(count: number | null, one: string): string {
  return `${count === null ? "?" : plain(count)} ${one}${count === 1 ? "" : "s"}`;
}

/** What one unit of a profile is called. */
export function unitName(unit: string | null): string {
  if (!unit || unit === "word" || unit === "phone") return unit ?? "word";
  return unit === "mixed" ? "token" : "character";
}

/** What a profile's error rate is called. */
export function rateName(unit: string | null): string {
  return { word: "WER", phone: "PER", token: "MER", character: "CER" }[unitName(unit)] ?? "WER";
}

export const USUAL_PROFILE = "basic-wer";

/** The profile in an address: none where it is the one that is meant without a name. */
export function profileOf(answer: { profile: string }): string | null {
  return answer.profile === USUAL_PROFILE ? null : answer.profile;
}

export function systemKey(system: System): string {
  return `${system.run_id} ${system.decoding}`;
}

/** Few words beside a number that is not like the others of its column, and the whole sentence. */
export function differences(cell: Cell, set: ScoredSet): { brief: string; sentence: string }[] {
  return cell.differs.map((kind) => {
    if (kind === "refused") return { brief: "refused", sentence: "The profile forbids a number here; the evaluation says why." };
    if (kind === "coverage") {
      const missing = Math.round((1 - (cell.coverage ?? 0)) * (cell.utterances ?? 0));
      return { brief: `${shareText(cell.coverage)} covered`, sentence: `Hypotheses are missing for ${counted(missing, "utterance")} of ${plain(cell.utterances ?? 0)}.` };
    }
    if (kind !== "references") return { brief: kind, sentence: `Not comparable: ${kind}.` };
    const others = set.revision ? `revision ${set.revision}` : "the references that most systems have";
    const mine = cell.revision ? `revision ${cell.revision}` : "own references";
    return { brief: mine, sentence: `Scored on ${cell.revision ? mine : "references of its own"}, the column on ${others}.` };
  });
}

/** 1.20 – 2.31 */
export function intervalText(interval: { low: number | null; high: number | null } | null | undefined): string {
  if (!interval || interval.low === null || interval.high === null) return "";
  return `${(interval.low * 100).toFixed(2)} – ${(interval.high * 100).toFixed(2)}`;
}

function certaintyText(certainty: Certainty | null | undefined): string {
  const interval = intervalText(certainty);
  if (!interval) return "";
  const drawn = certainty!.drawn ? `, by the bootstrap over ${certainty!.drawn}` : "";
  return `95 % interval ${interval}${drawn}${certainty!.p === null ? "" : `; p = ${plain(certainty!.p)} against the best`}`;
}

/** All that a cell stands on, in a sentence. */
export function evidence(cell: Cell, set: ScoredSet, unit: string | null): string {
  const parts = [
    cell.errors === null ? "" : `${counted(cell.errors, "error")} in ${counted(cell.tokens, unitName(unit))}`,
    cell.utterances === null ? "" : `${counted(cell.utterances, "utterance")}, ${shareText(cell.coverage)} covered`,
    cell.speakers ? `${counted(cell.speakers, "speaker")}, mean of speakers ${rateText(cell.mean_of_speakers)}` : "",
    cell.rtf === null ? "" : `RTF ${realTime(cell.rtf)}`,
    cell.revision ? `revision ${cell.revision} of the set` : "own references",
    certaintyText(cell.certainty),
  ];
  return [...parts.filter(Boolean), ...differences(cell, set).map((each) => each.sentence)].join("\n");
}

/** The lowest rate of a column among those that are comparable. */
export function bestOf(board: Scoreboard, set: string): number | null {
  const rates = board.systems.flatMap(({ cells }) => {
    const cell = cells[set];
    return cell && cell.rate !== null && !cell.differs.length ? [cell.rate] : [];
  });
  return rates.length ? Math.min(...rates) : null;
}

/** As asked, those without the number last; null: as the server has them. */
export function orderedSystems(systems: readonly System[], order: { id: string; descending: boolean } | null): System[] {
  if (!order) return [...systems];
  const value = (system: System): number | string | null => {
    if (order.id === "run") return system.run;
    return order.id === "mean" ? system.macro_over_sets : system.cells[order.id.replace(/^set:/, "")]?.rate ?? null;
  };
  const turn = order.descending ? -1 : 1;
  return [...systems].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return turn * (typeof left === "string" ? left.localeCompare(String(right)) : left - Number(right));
  });
}
