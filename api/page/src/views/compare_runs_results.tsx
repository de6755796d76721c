import type { Run } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { idFilter } from "../logic/columns";
import type { Sheet } from "../logic/exports";
import { metric } from "../logic/format";
import { resultsOf, type ComparedResult } from "../logic/results";
import { address, joined, shownShare } from "../logic/route";
import type { Scoreboard } from "../logic/scores";
import { ExportMenu } from "../parts/export_menu";

const MOST_ROWS = 60;

/** What the runs have on the test sets; where the server scored several of them, word by word and with tests. */
export function Results({ runs, vector }: { runs: readonly Run[]; vector: string }) {
  const results = resultsOf(runs);
  const scored = useAnswer<Scoreboard>(results.length && !shownShare() ? "/scores" : null, { filter: idFilter(runs.map((run) => run.id)), limit: 200 });
  if (!results.length) return null;
  const evaluations = (set: string) => (scored.answer?.systems ?? []).flatMap((system) => system.cells[set]?.evaluation ?? []);
  return (
    <section class="compared-results" aria-label="Test sets">
      <div class="tools"><h2>Test sets</h2><span class="grow" /><ExportMenu name="Test sets" sheet={() => sheetOf(runs, results, vector)} /></div>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Results">
        <table class="board">
          <thead><tr><th scope="col">Set</th><th scope="col">Metric</th>{runs.map((run) => <th scope="col" class="number" key={run.id}>{run.name}</th>)}</tr></thead>
          <tbody>{results.slice(0, MOST_ROWS).map((row) => {
            const several = evaluations(row.set);
            return (
              <tr key={`${row.set} ${row.metric}`}>
                <th scope="row">{row.set}{several.length > 1 && <div class="below"><a href={address("/compare", { evaluations: joined(several.slice(0, 20)) })}>word by word</a> · <a href={address("/compare", { evaluations: joined(several.slice(0, 20)), part: "significance" })}>significance</a></div>}</th>
                <td>{row.metric.toUpperCase()}</td>
                {row.values.map((value, i) => (
                  <td key={runs[i]!.id} class={`number${value !== null && value === row.best ? " best" : ""}`}>
                    {value === null ? <span class="quiet">–</span> : <a href={address(`/runs/${runs[i]!.id}/test-sets`)}>{metric(row.metric, value)}</a>}
                  </td>
                ))}
              </tr>
            );
          })}</tbody>
        </table>
      </div>
      {results.length > MOST_ROWS && <p class="quiet">{MOST_ROWS} of {results.length} results; the export has all.</p>}
    </section>
  );
}

function sheetOf(runs: readonly Run[], results: readonly ComparedResult[], vector: string): Sheet {
  return {
    name: "Test sets",
    notes: [`runs ${runs.map((run) => run.id).join(", ")}`],
    vector,
    columns: [{ title: "Set" }, { title: "Metric" }, ...runs.map((run) => ({ title: run.name, numeric: true }))],
    rows: results.map((row) => [row.set, row.metric, ...row.values.map((value) => (value === null ? null : { text: metric(row.metric, value), value, best: value === row.best }))]),
  };
}
