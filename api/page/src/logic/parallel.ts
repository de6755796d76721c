/** Parallel coordinates: one axis for each parameter or score, numbers by their size, other values side by side. */
import { number, type Run } from "./api";
import { differing, resultId } from "./columns";
import * as format from "./format";

export interface Coordinate {
  title: string;
  /** Of each run its place, 0 at the bottom to 1 at the top; null without a value. */
  places: (number | null)[];
  marks: { place: number; text: string }[];
}

const MOST_MARKS = 12;

/** Parameters that differ, then results on test sets, then the last values of metrics; each by the name that chooses it. */
export function coordinates(runs: readonly Run[]): Map<string, Coordinate> {
  const found = new Map<string, Coordinate>();
  for (const { key, values, differs } of differing(runs.map((run) => run.config))) if (differs) add(found, `params.${key}`, key, values);
  const sets = new Set(runs.flatMap((run) => Object.entries(run.test_sets ?? {}).flatMap(([set, results]) => Object.keys(results).map((metric) => JSON.stringify([metric, set])))));
  for (const each of [...sets].sort()) {
    const [metric, set] = JSON.parse(each) as [string, string];
    add(found, resultId(metric, set), `${metric.toUpperCase()} ${set}`, runs.map((run) => number(run.test_sets?.[set]?.[metric])), metric);
  }
  for (const key of [...new Set(runs.flatMap((run) => Object.keys(run.metrics ?? {})))].sort()) add(found, `metrics.${key}`, key, runs.map((run) => number(run.metrics?.[key])), key);
  return found;
}

function add(found: Map<string, Coordinate>, id: string, title: string, values: readonly unknown[], metric = ""): void {
  const there = values.filter((value) => value !== null && value !== undefined);
  if (!there.length) return;
  found.set(id, { title, ...(there.every((value) => typeof value === "number" && Number.isFinite(value)) ? measured(values as (number | null)[], metric) : named(values)) });
}

function measured(values: readonly (number | null | undefined)[], metric: string): Omit<Coordinate, "title"> {
  const there = values.filter((value): value is number => value !== null && value !== undefined);
  const [low, high] = [Math.min(...there), Math.max(...there)];
  const place = (value: number) => (high > low ? (value - low) / (high - low) : 0.5);
  const text = (value: number) => (metric ? format.metric(metric, value) : format.plain(value));
  const marks = high > low ? [{ place: 0, text: text(low) }, { place: 1, text: text(high) }] : [{ place: 0.5, text: text(low) }];
  return { places: values.map((value) => (value === null || value === undefined ? null : place(value))), marks };
}

function named(values: readonly unknown[]): Omit<Coordinate, "title"> {
  const texts = values.map((value) => (value === null || value === undefined ? null : format.anything(value)));
  const names = [...new Set(texts.filter((text) => text !== null))].sort();
  const place = (text: string) => (names.length > 1 ? names.indexOf(text) / (names.length - 1) : 0.5);
  return { places: texts.map((text) => (text === null ? null : place(text))), marks: names.slice(0, MOST_MARKS).map((text) => ({ place: place(text), text })) };
}

/** Whether runs that have a value have several: an axis with one place shows only which of them have it. */
function varies({ places }: Coordinate): boolean {
  return new Set(places.filter((place) => place !== null)).size > 1;
}

/** What is shown unless somebody chose: some parameters, some results, and metrics of validation where there are no results. */
export function usualCoordinates(all: ReadonlyMap<string, Coordinate>): string[] {
  const ids = [...all].filter(([, axis]) => varies(axis)).map(([id]) => id);
  const params = ids.filter((id) => id.startsWith("params.")).slice(0, 5);
  const results = ids.filter((id) => id.includes("['")).slice(0, 4);
  const metrics = ids.filter((id) => /^metrics\.(.*[_/])?(val|dev|valid|wer|loss)/i.test(id)).slice(0, results.length ? 1 : 4);
  return [...params, ...results, ...metrics];
}
