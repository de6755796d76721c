/**
 * Reading panels: which keys each kind has, and what is wrong with one, by the line. What a link may ask of a panel
 * the server reads by the same rules (report_panels.py).
 */
import { list } from "./route";
import type { PanelKind } from "./panel_text";

type Check = (value: string) => string | null;

const anything: Check = () => null;
const oneOf = (...words: string[]): Check => (value) => (words.includes(value) ? null : `is one of ${words.join(", ")}`);
const count: Check = (value) => (/^\d{1,4}$/.test(value) && Number(value) >= 1 && Number(value) <= MOST ? null : `is a number from 1 to ${MOST}`);
const weight: Check = (value) => (value && Number(value) >= 0 && Number(value) < 1 ? null : "is a number from 0 to less than 1");
const range: Check = (value) => {
  const [low, high] = value.split(",").map(Number);
  return low !== undefined && high !== undefined && low < high ? null : "is a part of the axis: 0, 1000";
};
const upTo = (most: number): Check => (value) => (list(value).length <= most ? null : `has ${list(value).length} values, the limit is ${most}`);

const MOST = 200;
const SHARED: Record<string, Check> = { title: anything, as_of: anything };
const YES = oneOf("yes", "no");

/** The keys of each kind; those that must be there come first. */
const KINDS: Record<PanelKind, { needs: readonly string[]; keys: Record<string, Check> }> = {
  leaderboard: { needs: [], keys: { filter: anything, sets: upTo(20), profile: anything, metric: anything, intervals: YES, order: anything, limit: count } },
  runs: { needs: [], keys: { filter: anything, columns: upTo(20), order: anything, limit: count } },
  chart: {
    needs: ["metrics"],
    keys: { metrics: upTo(6), runs: upTo(30), filter: anything, order: anything, limit: count, axis: oneOf("step", "epoch", "relative", "time"), smoothing: weight, log: YES, zoom: range },
  },
  matrix: { needs: ["evaluations", "by"], keys: { evaluations: upTo(8), by: upTo(3), profile: anything } },
  alignment: { needs: ["evaluations", "utterance"], keys: { evaluations: upTo(8), utterance: anything, profile: anything } },
};
export const USUAL_LIMITS: Partial<Record<PanelKind, number>> = { leaderboard: 50, runs: 20, chart: 10 };

export interface PanelForm {
  kind: PanelKind;
  values: Record<string, string>;
  /** Of its first fence in the report, from 1, and how many there are with both fences. */
  line: number;
  length: number;
  errors: { line: number; text: string }[];
}

export interface PanelProps {
  form: PanelForm;
  /** What it shows, as Markdown, for whoever downloads the report. */
  told: (text: string) => void;
}

export function isKind(word: string | undefined): word is PanelKind {
  return word !== undefined && Object.hasOwn(KINDS, word);
}

/** text: between the fences. */
export function panelForm(kind: PanelKind, text: string, line: number, length = text.split("\n").length + 2): PanelForm {
  const { needs, keys } = KINDS[kind];
  const known: Record<string, Check> = { ...keys, ...SHARED };
  const form: PanelForm = { kind, values: {}, line, length, errors: [] };
  const wrong = (at: number, what: string) => form.errors.push({ line: at, text: what });
  text.split("\n").forEach((each, i) => {
    if (!each.trim()) return;
    const at = line + 1 + i;
    const pair = /^\s*(\w+)\s*:\s*(.*?)\s*$/.exec(each);
    if (!pair) return wrong(at, `“${each.trim()}” is no line of the form key: value`);
    const [key, value] = [pair[1]!.toLowerCase(), pair[2]!];
    if (!Object.hasOwn(known, key)) return wrong(at, `a panel “${kind}” has no “${key}”; it has ${Object.keys(known).join(", ")}`);
    if (Object.hasOwn(form.values, key)) return wrong(at, `“${key}” is there twice`);
    form.values[key] = value;
    const why = value ? known[key]!(value) : null;
    if (why) wrong(at, `“${key}” ${why}`);
  });
  for (const key of needs) if (!form.values[key]) wrong(line, `a panel “${kind}” needs “${key}: …”`);
  if (kind === "chart" && form.values.runs && form.values.filter) wrong(line, "a chart has “runs” or a “filter”, not both");
  form.errors.sort((one, other) => one.line - other.line);
  return form;
}

/** The values of a list, which may have spaces around its commas. */
export function listed(form: PanelForm, key: string): string[] {
  return list((form.values[key] ?? "").split(",").map((each) => each.trim()).join(","));
}

export function limitOf(form: PanelForm): number {
  return Number(form.values.limit) || USUAL_LIMITS[form.kind] || MOST;
}

/** The report with the panel at a line frozen at a vector, or (null) live. */
export function frozenAt(body: string, line: number, vector: string | null): string {
  const lines = body.split("\n");
  const fence = /^(`{3,}|~{3,})/.exec(lines[line - 1] ?? "")?.[1] ?? "```";
  const rest = lines.slice(line);
  const length = rest.findIndex((each) => each.trim().startsWith(fence));
  const inside = rest.slice(0, length < 0 ? rest.length : length).filter((each) => !/^\s*as_of\s*:/i.test(each));
  const after = length < 0 ? [] : rest.slice(length);
  return [...lines.slice(0, line), ...inside, ...(vector ? [`as_of: ${vector}`] : []), ...after].join("\n");
}
