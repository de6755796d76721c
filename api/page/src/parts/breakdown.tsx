import { useAnswer } from "../logic/asking";
import type { Sheet } from "../logic/exports";
import { plain } from "../logic/format";
import { ask, joined, list } from "../logic/route";
import { intervalText, rateName, rateText, shareText, unitName } from "../logic/scores";
import { rate, share } from "../logic/sheets";
import { ExportMenu } from "./export_menu";
import { Empty, Notice } from "./notice";

interface Group {
  by: Record<string, string>;
  rate: number | null;
  errors: number;
  tokens: number;
  substitutions: number;
  deletions: number;
  insertions: number;
  utterances: number;
  coverage: number | null;
  interval: { low: number; high: number } | null;
}

interface Groups {
  profile: string;
  vector: string;
  unit: string | null;
  by: string[];
  groups: Group[];
  total: number;
  macro_average: number | null;
}

interface Props {
  evaluation: string;
  profile: string | null;
  factors: readonly string[];
  query: URLSearchParams;
}

const MOST_FACTORS = 3;
const MOST_GROUPS = 100;
const ORDERS = [
  ["worst", "Worst first"],
  ["words", "Largest first"],
  ["name", "By name"],
] as const;

/** Error rates of speakers, conditions, languages or lengths; a group shows its utterances. */
export function Breakdown({ evaluation, profile, factors, query }: Props) {
  const by = query.has("by") ? list(query.get("by")) : factors.slice(0, 1);
  const order = query.get("groups") ?? "worst";
  const asked = useAnswer<Groups>(by.length ? "/breakdown" : null, { evaluation, by, order, profile, limit: MOST_GROUPS, intervals: true });
  const toggle = (factor: string) => ask({ by: joined(by.includes(factor) ? by.filter((each) => each !== factor) : [...by, factor].slice(-MOST_FACTORS)) || "none" });
  return (
    <section class="card" aria-label="Breakdown">
      <h2>Error rates by …</h2>
      <div class="tools" role="group" aria-label="Group by">
        {factors.map((factor) => <button type="button" key={factor} aria-pressed={by.includes(factor)} onClick={() => toggle(factor)}>{factorName(factor)}</button>)}
        <span class="grow" />
        <label>Order <select value={order} onChange={(event) => ask({ groups: event.currentTarget.value === "worst" ? null : event.currentTarget.value })}>
          {ORDERS.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
        </select></label>
        {by.length > 0 && asked.answer && <ExportMenu name="Breakdown" sheet={() => sheetOf(asked.answer!, evaluation)} />}
      </div>
      {asked.problem && <Notice problem={asked.problem} again={asked.again} />}
      {!by.length && <Empty>Choose what to group by.</Empty>}
      {by.length > 0 && asked.answer && <GroupTable found={asked.answer} where={list(query.get("where"))} />}
    </section>
  );
}

export function factorName(factor: string): string {
  return factor.replace(/^condition\./, "");
}

function sheetOf(found: Groups, evaluation: string): Sheet {
  const numbers = [rateName(found.unit), "low", "high", "Errors", `${unitName(found.unit)}s`, "Substitutions", "Deletions", "Insertions", "Utterances", "Covered"];
  return {
    name: `Error rates by ${found.by.map(factorName).join(", ")}`,
    notes: [`evaluation ${evaluation}`, `profile ${found.profile}`, ...(found.total > found.groups.length ? [`${found.groups.length} of ${found.total} groups`] : [])],
    vector: found.vector,
    columns: [...found.by.map((factor) => ({ title: factorName(factor) })), ...numbers.map((title) => ({ title, numeric: true }))],
    rows: found.groups.map((group) => [
      ...found.by.map((factor) => group.by[factor] || "unknown"), rate(group.rate), rate(group.interval?.low), rate(group.interval?.high),
      group.errors, group.tokens, group.substitutions, group.deletions, group.insertions, group.utterances, share(group.coverage),
    ]),
  };
}

function GroupTable({ found, where }: { found: Groups; where: readonly string[] }) {
  const unit = `${unitName(found.unit)}s`;
  return (
    <>
      <div class="scrolled tall" tabIndex={0} role="region" aria-label="Groups">
        <table>
          <thead><tr>
            {found.by.map((factor) => <th scope="col" key={factor}>{factorName(factor)}</th>)}
            <th scope="col" class="number">{rateName(found.unit)}</th><th scope="col" class="number" title="95 %, by the bootstrap over utterances">95 % interval</th>
            <th scope="col" class="number">Errors</th><th scope="col" class="number">{unit[0]!.toUpperCase() + unit.slice(1)}</th>
            <th scope="col" class="number" title="substituted">S</th><th scope="col" class="number" title="left out">D</th><th scope="col" class="number" title="inserted">I</th>
            <th scope="col" class="number">Utterances</th><th scope="col" class="number">Covered</th>
          </tr></thead>
          <tbody>{found.groups.map((group) => {
            const conditions = found.by.map((factor) => `${factor}=${group.by[factor]}`);
            const shown = conditions.every((each) => where.includes(each));
            return (
              <tr key={conditions.join()} class={shown ? "lit" : ""}>
                {found.by.map((factor, i) => (
                  <td key={factor}>{i ? group.by[factor] || "unknown" : (
                    <button type="button" class="link" title="Show its utterances" aria-pressed={shown} onClick={() => ask({ where: shown ? null : joined(conditions), utterance: null })}>{group.by[factor] || "unknown"}</button>
                  )}</td>
                ))}
                <td class="number"><b>{rateText(group.rate)}</b></td>
                <td class="number quiet">{intervalText(group.interval)}</td>
                <td class="number">{plain(group.errors)}</td><td class="number">{plain(group.tokens)}</td>
                <td class="number">{plain(group.substitutions)}</td><td class="number">{plain(group.deletions)}</td><td class="number">{plain(group.insertions)}</td>
                <td class="number">{plain(group.utterances)}</td><td class="number">{shareText(group.coverage)}</td>
              </tr>
            );
          })}</tbody>
        </table>
      </div>
      <p class="quiet">
        {found.total > found.groups.length && `${found.groups.length} of ${plain(found.total)} groups. `}
        {found.groups.length > 1 && `Mean of the groups ${rateText(found.macro_average)}.`}
      </p>
    </>
  );
}
