/** Error rates of systems over two or three dimensions; each cell knows the evaluations that it is made of. */
import type { Group } from "./breakdowns";
import { rate, share } from "./sheets";
import { systemKey, type System } from "./scores";
import type { Sheet } from "./exports";

/** What one evaluation has in a cell. */
export interface Share {
  evaluation: string;
  errors: number;
  tokens: number;
  utterances: number;
  covered: number;
}

export interface HeatCell extends Omit<Share, "evaluation"> {
  rate: number | null;
  coverage: number | null;
  shares: Share[];
}

/** One system, in one slice of a third dimension where there is one. */
export interface HeatMatrix {
  system: System;
  slice: string | null;
  cells: Map<string, HeatCell>;
}

export interface Matrices {
  rows: string[];
  columns: string[];
  matrices: HeatMatrix[];
  highest: number;
}

export interface CountedGroup extends Group {
  covered: number;
}

/** Rows, columns, and perhaps what the matrices are apart by. */
export type Dimensions = readonly [string, string] | readonly [string, string, string];

const FIRST = ["language", "domain", "corpus", "test_set", "length", "speaker"];

/**
 * What is looked at if nothing was chosen: a language or domain against what is known of the noise. A condition often
 * says the same as another, or as the set (noise, snr): against one stands what the utterances are.
 */
export function usualDimensions(factors: Readonly<Record<string, number>>): [string, string] | null {
  const known = Object.keys(factors).filter((each) => each !== "run" && each !== "evaluation");
  const conditions = known.filter((each) => each.startsWith("condition."));
  const order = [...FIRST.slice(0, 2), ...conditions, ...FIRST.slice(2)].filter((each) => known.includes(each));
  const telling = [...order.filter((each) => factors[each]! > 1), ...order.filter((each) => factors[each] === 1)];
  const rows = telling[0];
  const apart = rows?.startsWith("condition.") && telling.find((each) => each === "length" || each === "speaker");
  const columns = apart || telling[1];
  return rows && columns ? [rows, columns] : null;
}

export function cellKey(row: string, column: string): string {
  return JSON.stringify([row, column]);
}

/** Groups that are also apart by evaluation, put together to the cells of their systems. */
export function matricesOf(groups: readonly CountedGroup[], systems: readonly System[], [rows, columns, slices]: Dimensions): Matrices {
  const owner = new Map(systems.flatMap((system) => Object.values(system.cells).map((cell) => [cell.evaluation, system] as const)));
  const values = (factor: string) => [...new Set(groups.map((group) => group.by[factor] ?? ""))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const found = systems.flatMap((system) => (slices ? values(slices) : [null]).map((slice): HeatMatrix => ({ system, slice, cells: new Map() })));
  const of = (system: System, slice: string | null) => found.find((each) => each.system === system && each.slice === slice)!;
  for (const group of groups) {
    const system = owner.get(group.by.evaluation ?? "");
    if (!system) continue;
    const { cells } = of(system, slices ? group.by[slices] ?? "" : null);
    const key = cellKey(group.by[rows] ?? "", group.by[columns] ?? "");
    const cell = cells.get(key) ?? { errors: 0, tokens: 0, utterances: 0, covered: 0, rate: null, coverage: null, shares: [] };
    const mine: Share = { evaluation: group.by.evaluation!, errors: group.errors, tokens: group.tokens, utterances: group.utterances, covered: group.covered };
    for (const part of ["errors", "tokens", "utterances", "covered"] as const) cell[part] += mine[part];
    cell.rate = cell.tokens ? cell.errors / cell.tokens : null;
    cell.coverage = cell.utterances ? cell.covered / cell.utterances : null;
    cell.shares.push(mine);
    cells.set(key, cell);
  }
  const shown = found.filter((each) => each.cells.size);
  return { rows: values(rows), columns: values(columns), matrices: shown, highest: Math.max(0, ...shown.flatMap((each) => [...each.cells.values()].map((cell) => cell.rate ?? 0))) };
}

/** The first system's matrix of the same slice, which others are compared with; null for the first one itself. */
export function comparedWith(found: Matrices, matrix: HeatMatrix): HeatMatrix | null {
  const first = found.matrices.find((each) => each.slice === matrix.slice)!;
  return first.system === matrix.system ? null : first;
}

/** The conditions of a cell that the utterances of an evaluation can be filtered by. */
export function conditionsOf(dimensions: Dimensions, values: readonly string[]): string[] {
  const filtered = (factor: string) => ["speaker", "language", "length"].includes(factor) || factor.startsWith("condition.");
  return dimensions.flatMap((factor, place) => (filtered(factor) ? [`${factor}=${values[place] ?? ""}`] : []));
}

export function matricesSheet(found: Matrices, dimensions: Dimensions, names: (factor: string) => string, about: { vector: string; profile: string; filter: string }): Sheet {
  const numbers = ["Error rate", "Errors", "Tokens", "Utterances", "Coverage"];
  return {
    name: `Error rates by ${dimensions.map(names).join(", ")}`,
    notes: [`profile ${about.profile}`, about.filter && `filter ${about.filter}`].filter(Boolean),
    vector: about.vector,
    columns: [{ title: "System" }, { title: "Decoding" }, ...dimensions.map((each) => ({ title: names(each) })), ...numbers.map((title) => ({ title, numeric: true })), { title: "Evaluations" }],
    rows: found.matrices.flatMap(({ system, slice, cells }) => found.rows.flatMap((row) => found.columns.flatMap((column) => {
      const cell = cells.get(cellKey(row, column));
      const values = [row, column, ...(slice === null ? [] : [slice])].map((each) => each || "unknown");
      return cell ? [[system.run, system.decoding, ...values, rate(cell.rate), cell.errors, cell.tokens, cell.utterances, share(cell.coverage), cell.shares.map((each) => each.evaluation).join(" ")]] : [];
    }))),
  };
}

/** Those chosen, in the board's order; without a choice its first two, of which one sees where the one is better. */
export function shownSystems(systems: readonly System[], chosen: readonly string[], most: number): System[] {
  const picked = systems.filter((system) => chosen.includes(systemKey(system)));
  return (picked.length ? picked : systems.slice(0, 2)).slice(0, most);
}
