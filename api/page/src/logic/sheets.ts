/** What tables are as sheets for CSV and LaTeX. */
import { number, type Group, type Numeric, type Run } from "./api";
import { inside, resultOf, type Column } from "./columns";
import { anything, metric } from "./format";
import { valuesOf } from "./groups";
import { bestOf, differences, rateText, shareText, type Scoreboard, type System } from "./scores";
import type { Sheet, SheetCell } from "./exports";

/** A rate: the fraction for programs, per cent for people. */
export function rate(value: number | null | undefined, best = false): SheetCell {
  return { text: rateText(value), value: value ?? null, best };
}

export function share(value: number | null | undefined): SheetCell {
  return { text: shareText(value), value: value ?? null };
}

/** Systems × sets in the order that is shown; with intervals where the board has them, and what makes cells incomparable. */
export function boardSheet(board: Scoreboard, systems: readonly System[]): Sheet {
  const sure = systems.some((system) => Object.values(system.cells).some((cell) => cell.certainty));
  const differ = systems.some((system) => Object.values(system.cells).some((cell) => cell.differs.length));
  const several = board.test_sets.length > 1;
  const columns = [
    { title: "System" }, { title: "Experiment" }, { title: "Decoding" },
    ...board.test_sets.flatMap(({ test_set: set }) => [
      { title: set, numeric: true },
      ...(sure ? [{ title: `${set} low`, numeric: true }, { title: `${set} high`, numeric: true }] : []),
      ...(differ ? [{ title: `${set} differs` }] : []),
    ]),
    ...(several ? [{ title: "Mean of sets", numeric: true }] : []),
  ];
  const best = new Map(board.test_sets.map((set) => [set.test_set, bestOf(board, set.test_set)]));
  const rows = systems.map((system) => [
    system.run, system.experiment, system.decoding,
    ...board.test_sets.flatMap((set): SheetCell[] => {
      const cell = system.cells[set.test_set];
      const comparable = cell && !cell.differs.length;
      return [
        rate(cell?.rate, !!comparable && cell.rate !== null && cell.rate === best.get(set.test_set)),
        ...(sure ? [rate(cell?.certainty?.low), rate(cell?.certainty?.high)] : []),
        ...(differ ? [cell ? differences(cell, set).map((each) => each.brief).join(", ") : null] : []),
      ];
    }),
    ...(several ? [rate(system.macro_over_sets)] : []),
  ]);
  const sets = board.test_sets.map((set) => `${set.test_set} ${set.revision ? `revision ${set.revision}` : "with own references"}`);
  return { name: "Leaderboard", notes: [`profile ${board.profile}`, ...sets], vector: board.vector ?? "", columns, rows };
}

/** The runs that are loaded, with the columns that are shown, and their ids. */
export function runsSheet(loaded: { rows: readonly Run[]; more: boolean; vector: string }, columns: readonly Column[], filter: string): Sheet {
  return {
    name: "Runs",
    notes: [filter && `filter ${filter}`, loaded.more ? `the first ${loaded.rows.length}` : `${loaded.rows.length} runs`].filter(Boolean),
    vector: loaded.vector,
    columns: [{ title: "Name" }, ...columns.map((each) => ({ title: each.hint ?? each.title, numeric: each.numeric })), { title: "id" }],
    rows: loaded.rows.map((run) => [run.name, ...columns.map((each) => ({ text: each.text(run), value: cellOf(each, run) })), run.id]),
  };
}

/** Groups of runs, with mean and deviation of each number. */
export function groupsSheet(groups: readonly Group[], fields: readonly string[], numbers: readonly Column[], filter: string, vector: string): Sheet {
  return {
    name: `Runs by ${fields.join(", ")}`,
    notes: filter ? [`filter ${filter}`] : [],
    vector,
    columns: [...fields.map((title) => ({ title })), { title: "Runs", numeric: true }, ...numbers.flatMap((each) => ["mean", "sd"].map((what) => ({ title: `${each.hint ?? each.title} ${what}`, numeric: true })))],
    rows: groups.map((group) => [
      ...valuesOf(group).map((value) => anything(value)), group.count,
      ...numbers.flatMap((each, i) => {
        const found = Object.values(group.values)[i];
        return [found?.mean, found?.sd].map((value) => ({ text: metric(resultOf(each.id)?.metric ?? each.id, value), value: number(value) }));
      }),
    ]),
  };
}

/** What a column shows of a run, before it was shortened for reading. */
function cellOf(column: Column, run: Run): string | number | null {
  const result = resultOf(column.id);
  const key = column.id.slice(column.id.indexOf(".") + 1);
  if (result) return number(run.test_sets?.[result.set]?.[result.metric]);
  if (column.field === "metrics") return number(run.metrics?.[key]);
  const value = column.field === "config" ? inside(run.config, key) : column.field === "tags" ? run.tags?.[key] : run[column.id];
  if (column.numeric) return number(value as Numeric);
  if (typeof value === "number") return value;
  return Array.isArray(value) ? value.join(", ") : anything(value) || null;
}
