import { useAnswer, useAnswers } from "../logic/asking";
import { decodingOf, type OneEvaluation } from "../logic/evaluations";
import type { Sheet } from "../logic/exports";
import { plain, settings } from "../logic/format";
import { address, ask } from "../logic/route";
import { counted, profileOf, rateName, rateText, shareText, unitName } from "../logic/scores";
import { rate, share } from "../logic/sheets";
import { useSettled } from "../logic/settled";
import { ExportMenu, ToReport } from "../parts/export_menu";
import { Notice } from "../parts/notice";
import { ProfileChoice } from "../parts/profile_choice";
import { SignificancePanel } from "../parts/significance";
import { VirtualTable, type TableColumn } from "../parts/table";
import { Tabs } from "../parts/tabs";
import { UtterancePanel } from "../parts/utterance";

interface Side {
  hypothesis: string | null;
  errors: number;
}

interface Flip {
  utterance: string;
  speaker: string;
  reference: string;
  tokens: number;
  change: number;
  a: Side;
  b: Side;
}

interface Flips {
  vector: string;
  utterances: number;
  better: number;
  worse: number;
  alike: number;
  fixed: number;
  broken: number;
  rate_a: number | null;
  rate_b: number | null;
  relative: number | null;
  flips: Flip[];
}

type Row = Flip & { id: string };

const MOST_FLIPS = 1_000;
const MOST_ALIGNED = 8;
const PASSING_MS = 120;

/** What two systems differ on, utterance by utterance, and the words of all that are chosen. */
export function CompareEvaluations({ ids, query }: { ids: readonly string[]; query: URLSearchParams }) {
  const profile = query.get("profile");
  const { answer, problem, again } = useAnswers<OneEvaluation>(ids.map((id) => `/evaluations/${encodeURIComponent(id)}`), { profile });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  return <Compared found={answer} query={query} />;
}

function Compared({ found, query }: { found: readonly OneEvaluation[]; query: URLSearchParams }) {
  const profile = query.get("profile");
  const names = namesOf(found);
  const known = (name: string, otherwise: number) => (names.has(query.get(name) ?? "") ? query.get(name)! : found[otherwise]!.evaluation.id);
  const [a, b] = [known("a", 0), known("b", 1)];
  return (
    <div class="evaluation">
      <header>
        <div class="tools"><h1>Compare on {found[0]!.evaluation.test_set}</h1><span class="grow" /><ProfileChoice chosen={profile} /><ExportMenu name="Comparison" sheet={() => sheetOf(found)} /></div>
        <Summary found={found} names={names} a={a} b={b} />
      </header>
      <Differences ids={found.map((each) => each.evaluation.id)} {...{ a, b, names, query }} />
    </div>
  );
}

/** A run's name, with what tells its evaluations apart where the name alone does not. */
function namesOf(found: readonly OneEvaluation[]): Map<string, string> {
  const runs = found.map((each) => each.evaluation.run);
  return new Map(found.map(({ evaluation }) => {
    const alone = runs.filter((each) => each === evaluation.run).length === 1;
    return [evaluation.id, alone ? evaluation.run : `${evaluation.run} ${settings(decodingOf(evaluation)) || evaluation.name || evaluation.id.slice(-6)}`];
  }));
}

function Summary({ found, names, a, b }: { found: readonly OneEvaluation[]; names: ReadonlyMap<string, string>; a: string; b: string }) {
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label="Evaluations">
      <table>
        <thead><tr>
          <th scope="col" class="narrow">A</th><th scope="col" class="narrow">B</th><th scope="col">System</th><th scope="col">Decoding</th><th scope="col" class="number">{rateName(found[0]!.unit)}</th><th scope="col" class="number">Errors</th>
          <th scope="col" class="number">S</th><th scope="col" class="number">D</th><th scope="col" class="number">I</th><th scope="col" class="number">Coverage</th><th scope="col">References</th>
        </tr></thead>
        <tbody>{found.map(({ evaluation, unit, ...rest }) => (
          <tr key={evaluation.id}>
            {(["a", "b"] as const).map((side) => (
              <td key={side}><input type="radio" name={side} aria-label={`${side.toUpperCase()}: ${names.get(evaluation.id)}`} checked={(side === "a" ? a : b) === evaluation.id} onChange={() => ask({ [side]: evaluation.id, utterance: null })} /></td>
            ))}
            <td><a href={address(`/evaluations/${evaluation.id}`, { profile: profileOf(rest) })}>{evaluation.run}</a></td>
            <td class="quiet settings" title={decodingOf(evaluation)}>{settings(decodingOf(evaluation))}</td>
            <td class="number"><b>{rateText(evaluation.score?.rate)}</b></td>
            <td class="number">{counted(evaluation.score?.errors ?? null, "error")} in {counted(evaluation.score?.tokens ?? null, unitName(unit))}</td>
            {(["substitutions", "deletions", "insertions"] as const).map((kind) => <td class="number" key={kind}>{evaluation.score?.[kind] ?? "–"}</td>)}
            <td class="number">{shareText(evaluation.score?.coverage)}</td>
            <td>{evaluation.revision ? `revision ${evaluation.revision}` : "own"}</td>
          </tr>
        ))}</tbody>
      </table>
    </div>
  );
}

function sheetOf(found: readonly OneEvaluation[]): Sheet {
  const numbers = [rateName(found[0]!.unit), "Errors", `${unitName(found[0]!.unit)}s`, "Substitutions", "Deletions", "Insertions", "Coverage"];
  return {
    name: `Comparison on ${found[0]!.evaluation.test_set}`,
    notes: [`profile ${found[0]!.profile}`],
    vector: found[0]!.vector,
    columns: [{ title: "System" }, { title: "Decoding" }, ...numbers.map((title) => ({ title, numeric: true })), { title: "References" }],
    rows: found.map(({ evaluation: { score, ...evaluation } }) => [
      evaluation.run, decodingOf(evaluation), rate(score?.rate), score?.errors ?? null, score?.tokens ?? null, score?.substitutions ?? null,
      score?.deletions ?? null, score?.insertions ?? null, share(score?.coverage), evaluation.revision ? `revision ${evaluation.revision}` : "own",
    ]),
  };
}

function flipsSheet(found: Flips, names: ReadonlyMap<string, string>, a: string, b: string): Sheet {
  return {
    name: `Utterances that differ between ${names.get(a)} and ${names.get(b)}`,
    notes: [`evaluations ${a} and ${b}`, `${found.flips.length} of ${found.better + found.worse}`],
    vector: found.vector,
    columns: [{ title: "Utterance" }, { title: "Speaker" }, { title: "Change", numeric: true }, { title: "Errors of A", numeric: true }, { title: "Errors of B", numeric: true }, { title: "Of", numeric: true }, { title: "Reference" }, { title: "A" }, { title: "B" }],
    rows: found.flips.map((each) => [each.utterance, each.speaker, each.change, each.a.errors, each.b.errors, each.tokens, each.reference, each.a.hypothesis, each.b.hypothesis]),
  };
}

const PARTS = [
  [null, "Words"],
  ["significance", "Significance"],
] as const;

interface DifferencesProps {
  ids: readonly string[];
  a: string;
  b: string;
  names: ReadonlyMap<string, string>;
  query: URLSearchParams;
}

const ORDERS = [
  ["change", "Largest difference first"],
  ["better", "Where B is better"],
  ["worse", "Where A is better"],
] as const;

function Differences({ ids, a, b, names, query }: DifferencesProps) {
  const [profile, common, order] = [query.get("profile"), query.get("common"), query.get("order") ?? "change"];
  const { answer, problem, again } = useAnswer<Flips>(a === b ? null : "/flips", { a, b, common: !!common, order, profile, limit: MOST_FLIPS });
  const activate = useSettled((row: Row) => ask({ utterance: row.utterance }), PASSING_MS);
  if (a === b) return <p class="nothing">Choose two different systems as A and B.</p>;
  if (problem) {
    return (
      <div>
        <Notice problem={problem} again={again} />
        {problem.status === 409 && !common && <p class="nothing"><button type="button" onClick={() => ask({ common: "1" })}>Compare what both have with the same reference</button></p>}
      </div>
    );
  }
  if (!answer) return null;
  const rows = answer.flips.map((each): Row => ({ ...each, id: each.utterance }));
  const chosen = query.get("utterance") ?? rows[0]?.utterance ?? null;
  const aligned = [...new Set([a, b, ...ids])].slice(0, MOST_ALIGNED);
  return (
    <div class="split">
      <section class="list" aria-label="Differences">
        <div class="tools">
          <label>Show <select value={order} onChange={(event) => ask({ order: event.currentTarget.value === "change" ? null : event.currentTarget.value, utterance: null })}>
            {ORDERS.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
          </select></label>
          {common && <button type="button" onClick={() => ask({ common: null })}>Common utterances only ×</button>}
          {rows.length > 0 && <ExportMenu name="Utterances that differ" sheet={() => flipsSheet(answer, names, a, b)} />}
        </div>
        <VirtualTable label="Utterances that differ" rows={rows} columns={COLUMNS} more={false} loadMore={() => {}} highlighted={chosen} activate={activate} />
        {!rows.length && <p class="nothing">There is no such utterance.</p>}
      </section>
      <section class="panels" aria-label="Comparison">
        <Tabs label="Parts of the comparison" parts={PARTS} query={query} />
        {query.get("part") === "significance" ? <SignificancePanel evaluations={ids} profile={profile} query={query} /> : (
          <>
            <Verdict found={answer} a={names.get(a)!} b={names.get(b)!} />
            {chosen !== null && <UtterancePanel evaluations={aligned} utterance={chosen} profile={profile} names={names} />}
            {chosen !== null && <p><ToReport panel={{ kind: "alignment", values: { evaluations: aligned, utterance: chosen, profile } }} name={chosen} /></p>}
            <p class="quiet">Arrow keys in the list go from utterance to utterance.</p>
          </>
        )}
      </section>
    </div>
  );
}

const COLUMNS: TableColumn<Row>[] = [
  { id: "right", title: "Better", width: 76, cell: (row) => <b>{row.change < 0 ? "B" : "A"} by {Math.abs(row.change)}</b> },
  { id: "a", title: "A", hint: "errors of A", width: 44, numeric: true, cell: (row) => (row.a.hypothesis === null ? "none" : row.a.errors) },
  { id: "b", title: "B", hint: "errors of B", width: 44, numeric: true, cell: (row) => (row.b.hypothesis === null ? "none" : row.b.errors) },
  { id: "tokens", title: "Of", width: 48, numeric: true, cell: (row) => <span class="quiet">{row.tokens}</span> },
  { id: "utterance", title: "Utterance", width: 150, cell: (row) => <span title={row.utterance}>{row.utterance}</span> },
  { id: "reference", title: "Reference", width: 400, cell: (row) => <span title={row.reference}>{row.reference}</span> },
];

function Verdict({ found, a, b }: { found: Flips; a: string; b: string }) {
  const relative = found.relative === null ? "" : ` (${found.relative > 0 ? "+" : "−"}${Math.abs(found.relative * 100).toFixed(1)} % relative)`;
  return (
    <section class="card" aria-label="Verdict">
      <p>A is <b>{a}</b>, with {rateText(found.rate_a)}. B is <b>{b}</b>, with {rateText(found.rate_b)}{relative}.</p>
      <p>
        Of {counted(found.utterances, "utterance")}, B is better on <b>{plain(found.better)}</b>, A on <b>{plain(found.worse)}</b>, and they are alike
        on {plain(found.alike)}. Without any error in B alone: {plain(found.fixed)}; in A alone: {plain(found.broken)}.
      </p>
    </section>
  );
}
