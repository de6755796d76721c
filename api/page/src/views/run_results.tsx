import { number, type Result, type RunDetails } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { decodingOf, type Evaluation, type UtterancePage } from "../logic/evaluations";
import type { Sheet } from "../logic/exports";
import { metric, moment, settings } from "../logic/format";
import { address, shownShare } from "../logic/route";
import { rateName, rateText, shareText } from "../logic/scores";
import { Breakdown } from "../parts/breakdown";
import { ExportMenu } from "../parts/export_menu";
import { Measurements, useMeasurements } from "../parts/measured";
import { Empty } from "../parts/notice";

const MOST = 200;
const MOST_TOGETHER = 50;

/** What the server scored and the run measured, then all results by metric: the whole set first, then decodings and speakers. */
export function Results({ run, query }: { run: RunDetails; query: URLSearchParams }) {
  const { answer } = useAnswer<{ unit: string | null; evaluations: Evaluation[] }>("/evaluations", { run: run.id, limit: MOST });
  const measured = useMeasurements(run.id);
  const evaluations = answer?.evaluations ?? [];
  if (answer && measured && !evaluations.length && !measured.length && !run.results.length)
    return <Empty>No results on test sets yet. run.log_evaluation logs what was recognised; a metric with a name such as librispeech-test-clean_wer is a result too.</Empty>;
  return (
    <div class="home">
      {evaluations.length > 0 && <Evaluations evaluations={evaluations} rate={rateName(answer!.unit)} />}
      <Together evaluations={evaluations} query={query} />
      <Measurements run={run.id} found={measured ?? []} />
      {run.results.length > 0 && <div class="tools"><span class="grow" /><ExportMenu name={`Results of ${run.name}`} sheet={() => sheetOf(run)} /></div>}
      {run.results.length > 0 && <Metrics run={run} beside={evaluations.length + (measured ?? []).length > 0} />}
    </div>
  );
}

function Evaluations({ evaluations, rate }: { evaluations: readonly Evaluation[]; rate: string }) {
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label="Evaluations"><table>
      <thead><tr><th>Evaluation on</th><th>Decoding</th><th class="number">{rate}</th><th class="number">Coverage</th><th>State</th><th>Started</th></tr></thead>
      <tbody>{evaluations.map((each) => (
        <tr key={each.id}>
          <td><a href={address(`/evaluations/${each.id}`)}>{each.test_set ?? each.name ?? each.id}</a></td>
          <td class="quiet settings" title={decodingOf(each)}>{settings(decodingOf(each))}</td>
          <td class="number"><b>{rateText(each.score?.rate)}</b></td>
          <td class="number">{shareText(each.score?.coverage)}</td>
          <td>{each.state}</td>
          <td class="quiet">{moment(each.started_at)}</td>
        </tr>
      ))}</tbody>
    </table></div>
  );
}

/** All scored utterances of the run by language, domain, noise, …, whatever set they are of. */
function Together({ evaluations, query }: { evaluations: readonly Evaluation[]; query: URLSearchParams }) {
  const scored = evaluations.filter((each) => !shownShare() && each.score && !each.score.refused).slice(0, MOST_TOGETHER);
  const first = useAnswer<UtterancePage>(scored[0] ? `/evaluations/${scored[0].id}/utterances` : null, { limit: 1 });
  const last = useAnswer<UtterancePage>(scored.at(-1) ? `/evaluations/${scored.at(-1)!.id}/utterances` : null, { limit: 1 });
  if (!first.answer || !last.answer) return null;
  const factors = [...new Set(["test_set", "domain", ...first.answer.factors, ...last.answer.factors])];
  return <Breakdown evaluations={scored.map((each) => each.id)} profile={null} factors={factors} query={query} />;
}

function Metrics({ run, beside }: { run: RunDetails; beside: boolean }) {
  const whole = run.results.filter((each) => !each.speaker && !each.decoding);
  const rest = run.results.filter((each) => each.speaker || each.decoding);
  const metrics = [...new Set(whole.map((each) => each.metric))];
  const sets = [...new Set(whole.map((each) => each.test_set))].sort();
  const value = (set: string, name: string) => whole.find((each) => each.test_set === set && each.metric === name)?.value;
  return (
    <>
      {beside && <h2>All results, also those that the run logged itself</h2>}
      {sets.length > 0 && (
        <div class="scrolled" tabIndex={0} role="region" aria-label="Results"><table>
          <thead><tr><th>Test set</th>{metrics.map((name) => <th class="number" key={name}>{name.toUpperCase()}</th>)}</tr></thead>
          <tbody>{sets.map((set) => (
            <tr key={set}><td>{set || "all"}</td>{metrics.map((name) => <td class="number" key={name}>{metric(name, value(set, name)) || "–"}</td>)}</tr>
          ))}</tbody>
        </table></div>
      )}
      {rest.length > 0 && (
        <>
          <h2>Decodings and speakers</h2>
          <div class="scrolled" tabIndex={0} role="region" aria-label="Results"><table>
            <thead><tr><th>Test set</th><th>Decoding</th><th>Speaker</th><th>Metric</th><th class="number">Value</th></tr></thead>
            <tbody>{sorted(rest).map((each) => (
              <tr key={each.key}><td>{each.test_set}</td><td class="quiet settings" title={each.decoding}>{settings(each.decoding)}</td><td>{each.speaker}</td><td>{each.metric.toUpperCase()}</td><td class="number">{metric(each.metric, each.value)}</td></tr>
            ))}</tbody>
          </table></div>
        </>
      )}
    </>
  );
}

function sheetOf(run: RunDetails): Sheet {
  return {
    name: `Results of ${run.name}`,
    notes: [`run ${run.id}`],
    vector: run.vector,
    columns: [{ title: "Test set" }, { title: "Decoding" }, { title: "Speaker" }, { title: "Metric" }, { title: "Value", numeric: true }],
    rows: sorted([...run.results]).map((each) => [each.test_set, each.decoding, each.speaker, each.metric, { text: metric(each.metric, each.value), value: number(each.value) }]),
  };
}

function sorted(results: Result[]): Result[] {
  return [...results].sort((a, b) => a.test_set.localeCompare(b.test_set) || a.metric.localeCompare(b.metric) || (number(a.value) ?? 0) - (number(b.value) ?? 0));
}
