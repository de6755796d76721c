/** Runs in groups: what a group is called, which runs are in it, and the filter that takes exactly them. */
import { number, type Group, type Run } from "./api";
import { column, type Column } from "./columns";
import { literal } from "./completion";
import * as format from "./format";

/** A group's values of the fields, in their order. */
export function valuesOf(group: Group): unknown[] {
  return Object.values(group.by);
}

export function groupName(values: readonly unknown[]): string {
  return values.map((value) => (value === null || value === undefined || value === "" ? "none" : format.anything(value))).join(" · ");
}

/** The filter of the runs in a group, among those that a filter takes. */
export function within(filter: string, fields: readonly string[], values: readonly unknown[]): string {
  const [where, order = ""] = apart(filter);
  const same = fields.map((field, i) => {
    const value = values[i];
    return value === null || value === undefined ? `${field} is null` : `${field} = ${typeof value === "string" ? quotedText(value) : literal(String(value))}`;
  });
  return [[where && (/\bor\b/i.test(where) ? `(${where})` : where), ...same].filter(Boolean).join(" and "), order].filter(Boolean).join(" ");
}

function quotedText(value: string): string {
  return `'${value.replace(/'/g, "''")}'`;
}

/** A filter without its order, and the order. */
function apart(filter: string): [string, string?] {
  const place = filter.search(/\border\s+by\b(?=(?:[^']*'[^']*')*[^']*$)/i);
  return place < 0 ? [filter.trim()] : [filter.slice(0, place).trim(), filter.slice(place)];
}

/** Mean ± deviation of a column's numbers in a group; the mean alone of a single run. */
export function spreadText(of: Column, group: Group, place: number): string {
  const found = Object.values(group.values)[place];
  if (!found?.count) return "";
  const name = format.isRate(of.id.replace(/\['.*/, "")) ? "wer" : of.id;
  const text = (value: typeof found.mean) => (of.id === "duration" ? format.duration(number(value)) : format.metric(name, value));
  return found.sd === null ? text(found.mean) : `${text(found.mean).replace(/ %$/, "")} ± ${text(found.sd)}`;
}

const LISTED: Record<string, string> = { language: "languages", domain: "domains" };

/** The fields that a run must be asked for, to know its groups. */
export function neededFields(fields: readonly string[]): string[] {
  return fields.map((field) => (field === "test_set" ? "test_sets" : (column(LISTED[field] ?? field)?.field ?? field)));
}

/** The names of the groups that a run is in: of a field with several values, in one for each. */
export function groupsOf(run: Run, fields: readonly string[]): string[] {
  const found = fields.reduce<string[][]>((before, field) => before.flatMap((start) => valuesIn(run, field).map((value) => [...start, value])), [[]]);
  return found.map(groupName);
}

function valuesIn(run: Run, field: string): string[] {
  const listed = field === "test_set" ? Object.keys(run.test_sets ?? {}) : run[LISTED[field] ?? ""];
  if (Array.isArray(listed)) return listed.length ? listed.map(String) : [""];
  return [column(field)?.text(run) ?? format.anything(run[field])];
}
