/** Columns of the table of runs: what they are called, read, ordered by, and which fields they need. */
import { number, type Run } from "./api";
import * as format from "./format";

export interface Column {
  id: string;
  title: string;
  /** The whole of a title that was shortened. */
  hint?: string;
  width: number;
  /** What the filter language calls it. */
  order: string;
  field: string;
  numeric: boolean;
  text: (run: Run) => string;
}

export const USUAL = ["status", "experiment", "created_at", "duration"];

const PLAIN: Record<string, [string, number]> = {
  status: ["Status", 104],
  experiment: ["Experiment", 170],
  task: ["Task", 70],
  user: ["User", 90],
  created_at: ["Created", 140],
  finished_at: ["Finished", 140],
  duration: ["Duration", 96],
  model_type: ["Model", 110],
  num_params: ["Parameters", 104],
  train_dataset: ["Training data", 140],
  train_hours: ["Hours", 80],
  languages: ["Languages", 100],
  domains: ["Domains", 110],
  optimizer: ["Optimizer", 96],
  learning_rate: ["Learning rate", 112],
  batch_size: ["Batch", 76],
  epochs: ["Epochs", 76],
  git_commit: ["Commit", 96],
  num_gpus: ["GPUs", 70],
  notes: ["Notes", 200],
};
const NUMBERS = new Set("duration num_params train_hours learning_rate batch_size epochs num_gpus".split(" "));
const ORDERS: Record<string, string> = { created_at: "created", finished_at: "finished" };

export const PLAIN_COLUMNS = Object.keys(PLAIN);

/** The column of an id: a field, metrics.KEY, params.KEY, tags.KEY, or METRIC['test set']. */
export function column(id: string): Column | null {
  const plain = PLAIN[id];
  if (plain) {
    const [title, width] = plain;
    return { id, title, width, order: ORDERS[id] ?? id, field: id, numeric: NUMBERS.has(id), text: (run) => plainText(id, run) };
  }
  const dot = id.indexOf(".");
  const [root, key] = [id.slice(0, dot), id.slice(dot + 1)];
  if (dot < 0 || !key) return resultColumn(id);
  const order = `${root}[${quoted(key)}]`;
  const width = Math.min(220, Math.max(90, key.length * 7 + 40));
  if (root === "metrics")
    return { id, title: key, width, order, field: root, numeric: true, text: (run) => format.metric(key, run.metrics?.[key]) };
  if (root === "params")
    return { id, title: key, width, order, field: "config", numeric: false, text: (run) => format.anything(inside(run.config, key)) };
  if (root === "tags")
    return { id, title: key, width, order, field: root, numeric: false, text: (run) => run.tags?.[key] ?? "" };
  return resultColumn(id);
}

/** The metric and the test set of a column such as wer['test-clean']. */
export function resultOf(id: string): { metric: string; set: string } | null {
  const found = /^(\w+)\['((?:[^']|'')+)'\]$/.exec(id);
  return found && { metric: found[1]!, set: found[2]!.replace(/''/g, "'") };
}

function resultColumn(id: string): Column | null {
  const found = resultOf(id);
  if (!found) return null;
  const { metric, set } = found;
  const width = Math.min(160, Math.max(96, shortened(set).length * 7 + 56));
  const text = (run: Run) => format.metric(metric, run.test_sets?.[set]?.[metric]);
  const title = `${metric.toUpperCase()} ${shortened(set)}`;
  return { id, title, hint: `${metric.toUpperCase()} on ${set}`, width, order: id, field: "test_sets", numeric: true, text };
}

export interface NamedSet {
  test_set: string;
  metrics: string[];
}

/** The test sets that runs have results on, those of most runs first. */
export function testSetsOf(runs: readonly Run[]): NamedSet[] {
  const counts = new Map<string, { runs: number; metrics: Set<string> }>();
  for (const run of runs)
    for (const [set, metrics] of Object.entries(run.test_sets ?? {})) {
      const seen = counts.get(set) ?? { runs: 0, metrics: new Set() };
      seen.runs += 1;
      for (const each of Object.keys(metrics)) seen.metrics.add(each);
      counts.set(set, seen);
    }
  const sets = [...counts].sort(([a, x], [b, y]) => y.runs - x.runs || a.localeCompare(b));
  return sets.map(([test_set, { metrics }]) => ({ test_set, metrics: [...metrics].sort() }));
}

/** The usual columns with a result on each of the first two test sets, its WER where it has one. */
export function usualColumns(sets: readonly NamedSet[]): string[] {
  const results = sets.slice(0, 2).flatMap(({ test_set, metrics }) => (metrics[0] ? [resultId(metrics.includes("wer") ? "wer" : metrics[0], test_set)] : []));
  return [USUAL[0]!, ...results, ...USUAL.slice(1)];
}

/** Names of test sets differ at their ends: librispeech-test-clean, librispeech-test-other. */
function shortened(set: string): string {
  const parts = set.split(/[-_]/);
  return set.length > 14 && parts.length > 2 ? parts.slice(-2).join("-") : set;
}

export function resultId(metric: string, set: string): string {
  return `${metric}[${quoted(set)}]`;
}

export function quoted(text: string): string {
  return `'${text.replace(/'/g, "''")}'`;
}

/** The filter of runs by their ids. */
export function idFilter(ids: readonly string[]): string {
  return `id in (${ids.map(quoted).join(", ")})`;
}

function plainText(id: string, run: Run): string {
  const value = run[id];
  if (id === "duration") return format.duration(number(value as number | null));
  if (id.endsWith("_at")) return format.moment(value as string | null);
  if (id === "git_commit") return String(value ?? "").slice(0, 8);
  return Array.isArray(value) ? value.join(", ") : format.anything(value);
}

/** A value of the config under its dotted key. */
export function inside(config: unknown, key: string): unknown {
  let found: unknown = config;
  if (found && typeof found === "object" && key in found) return (found as Record<string, unknown>)[key];
  for (const part of key.split(".")) {
    if (!found || typeof found !== "object") return undefined;
    found = (found as Record<string, unknown>)[part];
  }
  return found;
}

/** The config as dotted keys and values, in their order. */
export function flat(config: unknown, prefix = ""): [string, unknown][] {
  if (!config || typeof config !== "object" || Array.isArray(config)) return prefix ? [[prefix, config]] : [];
  const entries = Object.entries(config);
  if (!entries.length && prefix) return [[prefix, config]];
  return entries.flatMap(([key, value]) => flat(value, prefix ? `${prefix}.${key}` : key));
}

/** Every parameter of several configs with its values, undefined where a config has none. */
export function differing(configs: readonly unknown[]): { key: string; values: unknown[]; differs: boolean }[] {
  const flats = configs.map((config) => new Map(flat(config)));
  const keys = [...new Set(flats.flatMap((each) => [...each.keys()]))].sort();
  return keys.map((key) => {
    const values = flats.map((each) => each.get(key));
    return { key, values, differs: new Set(values.map((value) => JSON.stringify(value))).size > 1 };
  });
}

/** The ids with one of them at the place of another. */
export function moved(ids: readonly string[], id: string, place: string): string[] {
  const rest = ids.filter((each) => each !== id);
  const at = ids.indexOf(place);
  return at < 0 || !ids.includes(id) ? [...ids] : [...rest.slice(0, at), id, ...rest.slice(at)];
}

export interface Order {
  id: string;
  descending: boolean;
}

export function parseOrder(text: string | null): Order | null {
  return text ? { id: text.replace(/^-/, ""), descending: text.startsWith("-") } : null;
}

/** A click on a head: ascending, descending, then the usual order again. */
export function nextOrder(now: Order | null, id: string): string {
  if (now?.id !== id) return id;
  return now.descending ? "" : `-${id}`;
}

export function orderTerm(order: Order | null): string {
  if (!order) return "";
  const name = order.id === "name" ? "name" : column(order.id)?.order;
  return name ? `${name}${order.descending ? " desc" : ""}` : "";
}
