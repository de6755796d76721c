import { useAnswer } from "../logic/asking";
import type { Sheet } from "../logic/exports";
import { plain } from "../logic/format";
import { matrixOf, spreadOf, type Group, type Matrix } from "../logic/breakdowns";
import { ask, joined, list } from "../logic/route";
import { intervalText, rateName, rateText, shareText, unitName } from "../logic/scores";
import { rate, share } from "../logic/sheets";
import { ExportMenu } from "./export_menu";
import { Empty, Notice } from "./notice";

export interface Groups {
  profile: string;
  vector: string;
  unit: string | null;
  by: string[];
  groups: Group[];
  total: number;
  macro_average: number | null;
}

interface Props {
  /** Of several, the groups are over the utterances of all of them. */
  evaluations: readonly string[];
  profile: string | null;
  factors: readonly string[];
  query: URLSearchParams;
}

const MOST_FACTORS = 3;
const MOST_GROUPS = 1_000;
const MOST_ROWS = 100;
const MOST_COLUMNS = 30;
const ORDERS = [
  ["worst", "Worst first"],
  ["words", "Largest first"],
  ["name", "By name"],
] as const;

/** Error rates of speakers, conditions, languages or lengths; a group shows its utterances. */
export function Breakdown({ evaluations, profile, factors, query }: Props) {
  const by = query.has("by") ? list(query.get("by")) : factors.slice(0, 1);
  const order = query.get("groups") ?? "worst";
  const asked = useAnswer<Groups>(by.length ? "/breakdown" : null, { evaluation: evaluations, by, order, profile, limit: MOST_GROUPS, intervals: true });
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
        {by.length > 0 && asked.answer && <ExportMenu name="Breakdown" sheet={() => breakdownSheet(asked.answer!, evaluations)} panel={{ kind: "matrix", values: { evaluations, by, profile } }} />}
      </div>
      {asked.problem && <Notice problem={asked.problem} again={asked.again} />}
      {!by.length && <Empty>Choose what to group by.</Empty>}
      {by.length > 0 && asked.answer && <Found found={asked.answer} where={evaluations.length === 1 ? list(query.get("where")) : null} flat={query.get("groups_as") === "list"} />}
    </section>
  );
}

export function factorName(factor: string): string {
  return factor.replace(/^condition\./, "");
}

export function breakdownSheet(found: Groups, evaluations: readonly string[]): Sheet {
  const numbers = [rateName(found.unit), "low", "high", "Errors", `${unitName(found.unit)}s`, "Substitutions", "Deletions", "Insertions", "Utterances", "Covered"];
  return {
    name: `Error rates by ${found.by.map(factorName).join(", ")}`,
    notes: [`evaluation${evaluations.length === 1 ? "" : "s"} ${evaluations.join(", ")}`, `profile ${found.profile}`, ...(found.total > found.groups.length ? [`${found.groups.length} of ${found.total} groups`] : [])],
    vector: found.vector,
    columns: [...found.by.map((factor) => ({ title: factorName(factor) })), ...numbers.map((title) => ({ title, numeric: true }))],
    rows: found.groups.map((group) => [
      ...found.by.map((factor) => group.by[factor] || "unknown"), rate(group.rate), rate(group.interval?.low), rate(group.interval?.high),
      group.errors, group.tokens, group.substitutions, group.deletions, group.insertions, group.utterances, share(group.coverage),
    ]),
  };
}

interface FoundProps {
  found: Groups;
  /** The groups whose utterances are shown; null where they cannot be. */
  where: readonly string[] | null;
}

/** One factor is spread along a line, two make a matrix; the list has all numbers. flat: whether it is asked for, null: it cannot be. */
export function Found({ found, where, flat }: FoundProps & { flat: boolean | null }) {
  const [first, second] = found.by;
  const matrix = found.by.length === 2 ? matrixOf(found.groups, [first!, second!]) : null;
  if (!matrix || matrix.columns.length > MOST_COLUMNS) return <>{found.by.length === 1 && <Strip found={found} />}<GroupTable found={found} where={where} /></>;
  return (
    <>
      {flat !== null && <p><label><input type="checkbox" checked={flat} onChange={() => ask({ groups_as: flat ? null : "list" })} /> As a list, with intervals</label></p>}
      {flat ? <GroupTable found={found} where={where} /> : <MatrixTable found={found} matrix={matrix} where={where} />}
    </>
  );
}

/** Each group a dot at its rate; the box has the middle half of them, and the line in it the median. */
function Strip({ found }: { found: Groups }) {
  const spread = spreadOf(found.groups);
  if (!spread) return null;
  const highest = Math.max(spread.high, 1e-9);
  const most = Math.max(1, ...found.groups.map((group) => group.tokens));
  const x = (rate: number) => 8 + (rate / highest) * 584;
  const factor = factorName(found.by[0]!);
  const told = `median ${rateText(spread.median)}, half of them from ${rateText(spread.quarter)} to ${rateText(spread.threeQuarters)}, worst ${rateText(spread.high)}`;
  return (
    <figure class="strip">
      <svg viewBox="0 0 600 46" role="img" aria-label={`${found.groups.length} values of ${factor}: ${told}`}>
        <rect class="half" x={x(spread.quarter)} y="4" width={Math.max(1, x(spread.threeQuarters) - x(spread.quarter))} height="38" rx="3" />
        <line class="median" x1={x(spread.median)} x2={x(spread.median)} y1="4" y2="42" />
        {found.groups.map((group, place) => group.rate !== null && (
          <circle key={group.by[found.by[0]!]} cx={x(group.rate)} cy={23 + ((place * 7) % 23) - 11} r={2 + 3.5 * Math.sqrt(group.tokens / most)}>
            <title>{`${group.by[found.by[0]!] || "unknown"}: ${rateText(group.rate)}, ${plain(group.tokens)} ${unitName(found.unit)}s`}</title>
          </circle>
        ))}
      </svg>
      <figcaption class="quiet">{plain(found.groups.length)} {found.groups.length < found.total ? `of ${plain(found.total)} ` : ""}by {factor}: {told}.</figcaption>
    </figure>
  );
}

function MatrixTable({ found, matrix, where }: FoundProps & { matrix: Matrix }) {
  const [first, second] = found.by as [string, string];
  return (
    <div class="scrolled tall" tabIndex={0} role="region" aria-label="Matrix">
      <table class="matrix">
        <thead><tr>
          <th scope="col">{factorName(first)} \ {factorName(second)}</th>
          {matrix.columns.map((column) => <th scope="col" class="number" key={column}>{column || "unknown"}</th>)}
        </tr></thead>
        <tbody>{matrix.rows.map((row) => (
          <tr key={row}>
            <th scope="row">{row || "unknown"}</th>
            {matrix.columns.map((column) => {
              const group = matrix.cell(row, column);
              if (!group) return <td key={column} class="number quiet">–</td>;
              const conditions = [`${first}=${row}`, `${second}=${column}`];
              const shown = where !== null && conditions.every((each) => where.includes(each));
              const heat = matrix.highest ? (100 * (group.rate ?? 0)) / matrix.highest : 0;
              return (
                <td key={column} class="number" title={`${plain(group.errors)} of ${plain(group.tokens)} ${unitName(found.unit)}s, ${plain(group.utterances)} utterances`} style={{ background: `color-mix(in srgb, var(--heat) ${heat.toFixed(0)}%, transparent)` }}>
                  {where === null ? rateText(group.rate) : <button type="button" class="link" aria-pressed={shown} title="Show its utterances" onClick={() => ask({ where: shown ? null : joined(conditions), utterance: null })}>{rateText(group.rate)}</button>}
                </td>
              );
            })}
          </tr>
        ))}</tbody>
      </table>
    </div>
  );
}

function GroupTable({ found, where }: FoundProps) {
  const shownGroups = found.groups.slice(0, MOST_ROWS);
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
          <tbody>{shownGroups.map((group) => {
            const conditions = found.by.map((factor) => `${factor}=${group.by[factor]}`);
            const shown = where !== null && conditions.every((each) => where.includes(each));
            return (
              <tr key={conditions.join()} class={shown ? "lit" : ""}>
                {found.by.map((factor, i) => (
                  <td key={factor}>{i || where === null ? group.by[factor] || "unknown" : (
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
        {found.total > shownGroups.length && `${shownGroups.length} of ${plain(found.total)} groups. `}
        {found.groups.length > 1 && `Mean of the groups ${rateText(found.macro_average)}.`}
      </p>
    </>
  );
}
