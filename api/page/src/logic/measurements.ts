/** Tasks other than recognition, as the API has them: numbers, what they mean, and what they were pooled from. */
import { anything, isRate, plain } from "./format";
import type { Sheet, SheetCell } from "./exports";

export interface Bounds {
  low: number;
  high: number;
  level: number;
  method: string;
}

export interface Measurement {
  id: string;
  run_id: string;
  run: string;
  task: string;
  test_set: string;
  name: string | null;
  /** The number that systems are compared by. */
  headline: string;
  /** Of the definition: numbers of one identity mean the same. */
  identity: string;
  definition: { tool: string; version: string; settings: Record<string, unknown> };
  values: Record<string, number | null>;
  intervals: Record<string, Bounds>;
  items: { kind: string; total: number; ids: string[]; columns: Record<string, (number | null)[]> };
  artifacts: Record<string, string>;
  decoding: Record<string, unknown>;
  checkpoint: string | null;
  logged_at: string;
}

export interface AgainstBest {
  difference: number;
  low: number;
  high: number;
  level: number;
  improvement: number;
  parts: number;
}

export interface Compared {
  vector: string;
  task: string;
  test_set: string;
  headline: string | null;
  higher_is_better: boolean;
  definition: Measurement["definition"] | null;
  measurements: (Measurement & { against_best: AgainstBest | null })[];
}

/** So much of a definition's identity stands in addresses. */
export const SHORT_IDENTITY = 12;
const SHARES = new Set("cpwer orcwer tcpwer tcorcwer rate voicing_error".split(" "));
const MAIN = (
  "der jer missed false_alarm confusion cpwer orcwer tcpwer tcorcwer rate substitutions deletions insertions eer " +
  "min_dcf_normalised min_dcf_unnormalised actual_dcf_normalised cllr frr false_alarms_per_hour atwv mtwv mcd f0_rmse log_f0_rmse voicing_error"
).split(" ");
const OPINIONS = ["mos", "cmos", "difference"];
const TITLES: Record<string, string> = {
  min_dcf_normalised: "minDCF", min_dcf_unnormalised: "minDCF, not normalised", actual_dcf_normalised: "actual DCF", cllr: "Cllr", false_alarms_per_hour: "false alarms an hour",
  f0_rmse: "F0 RMSE", log_f0_rmse: "log F0 RMSE", cpwer: "cpWER", orcwer: "ORC WER", tcpwer: "tcpWER", tcorcwer: "tcORC WER", rate: "error rate",
};
const ACRONYMS = new Set("der jer eer frr atwv mtwv mcd mos cmos".split(" "));

/** der → DER, mos.ours → MOS of ours; names without a usual spelling as they are. */
export function numberTitle(name: string): string {
  const [kind = "", ...of] = name.split(".");
  const title = TITLES[kind] ?? (ACRONYMS.has(kind) ? kind.toUpperCase() : kind.replace(/_/g, " "));
  return of.length ? `${title} of ${of.join(".")}` : title;
}

/** Shares in per cent, all else as it is. */
export function numberText(name: string, value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return SHARES.has(name) || isRate(name) ? `${(value * 100).toFixed(2)} %` : plain(value);
}

/** The names of the numbers that people look at, what systems are compared by first. */
export function mainNumbers({ headline, values }: Pick<Measurement, "headline" | "values">): string[] {
  const opinions = OPINIONS.flatMap((kind) => Object.keys(values).filter((name) => name.split(".")[0] === kind).sort());
  return [headline, ...[...MAIN, ...opinions].filter((name) => name in values && name !== headline)];
}

/** low … high, in the units of the number; "" without an interval. */
export function boundsText(name: string, bounds: Pick<Bounds, "low" | "high"> | null | undefined): string {
  if (!bounds) return "";
  const [low, high] = [numberText(name, bounds.low), numberText(name, bounds.high)];
  return `${low.endsWith(" %") ? low.slice(0, -2) : low} … ${high}`;
}

/** collar 0.5, skip overlap no, …: what changes the numbers; only: of these settings alone. */
export function settingsText({ tool, version, settings }: Measurement["definition"], only?: ReadonlySet<string>): string {
  const told = Object.entries({ ...settings, tool: `${tool} ${version}` }).filter(([name, value]) => value !== null && (!only || only.has(name)));
  return told.map(([name, value]) => (name === "tool" ? String(value) : `${name.replace(/_/g, " ")} ${typeof value === "boolean" ? (value ? "yes" : "no") : anything(value)}`)).join(", ");
}

/** What the definitions of several measurements do not have in common. */
export function differing(definitions: readonly Measurement["definition"][]): Set<string> {
  const flat = definitions.map(({ tool, version, settings }): Record<string, unknown> => ({ ...settings, tool: `${tool} ${version}` }));
  const names = new Set(flat.flatMap((each) => Object.keys(each)));
  return new Set([...names].filter((name) => new Set(flat.map((each) => JSON.stringify(each[name] ?? null))).size > 1));
}

/** Those whose numbers mean the same under their identity, the newest first. */
export function byIdentity(measurements: readonly Measurement[]): Map<string, Measurement[]> {
  const found = new Map<string, Measurement[]>();
  for (const each of measurements) found.set(each.identity, [...(found.get(each.identity) ?? []), each]);
  return found;
}

/** Systems × numbers, each beside its interval. */
export function comparedSheet({ task, test_set, definition, vector, measurements }: Compared): Sheet {
  const names = [...new Set(measurements.flatMap(mainNumbers))];
  const cell = (name: string, value: number | null | undefined, best = false): SheetCell => ({ text: numberText(name, value), value: value ?? null, best });
  const drawn = names.filter((name) => measurements.some((each) => each.intervals[name]));
  return {
    name: `${task} on ${test_set}`,
    notes: definition ? [settingsText(definition)] : [],
    vector,
    columns: [{ title: "System" }, { title: "Name" }, ...names.flatMap((name) => [name, ...(drawn.includes(name) ? [`${name} low`, `${name} high`] : [])]).map((title) => ({ title, numeric: true })), { title: "Run" }],
    rows: measurements.map((each, place) => [
      each.run, each.name,
      ...names.flatMap((name) => [
        cell(name, each.values[name], place === 0 && name === each.headline),
        ...(drawn.includes(name) ? [cell(name, each.intervals[name]?.low), cell(name, each.intervals[name]?.high)] : []),
      ]),
      each.run_id,
    ]),
  };
}
