import { number, type Numeric } from "../logic/api";
import { useAnswer } from "../logic/asking";
import type { Sheet, SheetCell } from "../logic/exports";
import { metric as shown, settings } from "../logic/format";
import { address, ask } from "../logic/route";
import { ExportMenu } from "../parts/export_menu";
import { FirstSteps, Notice } from "../parts/notice";
import { FilterBox } from "../parts/filter_box";

export interface Board {
  vector: string;
  metric: string;
  higher_is_better: boolean;
  test_sets: string[];
  rows: { run_id: string; run: string; experiment: string | null; decoding: string; values: Record<string, Numeric>; mean: Numeric; missing: number }[];
}

const METRICS = ["wer", "cer", "mer", "der", "eer", "accuracy", "rtf"];

/** Results as plain numbers, logged by runs or scored; every number leads to its run. */
export function LoggedBoard({ query }: { query: URLSearchParams }) {
  const name = query.get("metric") ?? "wer";
  const filter = query.get("filter") ?? "";
  const board = useAnswer<Board>("/leaderboard", { metric: name, filter, limit: 100 });
  const found = board.answer;
  return (
    <>
      <div class="tools">
        <label>Metric <select value={name} onChange={(event) => ask({ metric: event.currentTarget.value })}>
          {[...new Set([...METRICS, name])].map((each) => <option key={each} value={each}>{each.toUpperCase()}</option>)}
        </select></label>
        <FilterBox value={filter} problem={board.problem} submit={(text) => ask({ filter: text })} />
        {found && found.rows.length > 0 && <ExportMenu name={`Leaderboard ${name}`} sheet={() => loggedSheet(found)} panel={{ kind: "leaderboard", values: { metric: name, filter } }} />}
      </div>
      {board.problem && board.problem.position === null && <Notice problem={board.problem} again={board.again} />}
      {found && !found.rows.length && (filter
        ? <p class="nothing">No run that the filter takes has a result of this metric.</p>
        : <FirstSteps title={`No ${name.toUpperCase()} on any test set yet`} />)}
      {found && found.rows.length > 0 && (
        <div class="scrolled" tabIndex={0} role="region" aria-label="Results">
          <table>
            <thead><tr>
              <th class="number">#</th><th>Run</th><th>Decoding</th>
              {found.test_sets.map((set) => <th class="number" key={set}>{set || "no set"}</th>)}
              {found.test_sets.length > 1 && <th class="number">Mean</th>}
            </tr></thead>
            <tbody>
              {found.rows.map((row, place) => (
                <tr key={row.run_id + row.decoding}>
                  <td class="number quiet">{place + 1}</td>
                  <td><a href={address(`/runs/${row.run_id}/test-sets`)}>{row.run}</a> <span class="quiet">{row.experiment}</span></td>
                  <td class="quiet settings" title={row.decoding}>{settings(row.decoding)}</td>
                  {found.test_sets.map((set) => (
                    <td class={`number${isBest(found, set, row.values[set]) ? " best" : ""}`} key={set}>{shown(name, row.values[set]) || "–"}</td>
                  ))}
                  {found.test_sets.length > 1 && <td class="number">{shown(name, row.mean)}{row.missing > 0 && <span class="quiet" title={`no result on ${row.missing} of the sets`}> *</span>}</td>}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

export function loggedSheet(board: Board): Sheet {
  const several = board.test_sets.length > 1;
  const cell = (value: Numeric | undefined, best = false): SheetCell => ({ text: shown(board.metric, value) || "–", value: number(value), best });
  return {
    name: `Leaderboard ${board.metric}`,
    notes: ["as logged by runs, or scored"],
    vector: board.vector,
    columns: [{ title: "Run" }, { title: "Experiment" }, { title: "Decoding" }, ...[...board.test_sets, ...(several ? ["Mean"] : [])].map((title) => ({ title: title || "no set", numeric: true }))],
    rows: board.rows.map((row) => [
      row.run, row.experiment, row.decoding,
      ...board.test_sets.map((set) => cell(row.values[set], row.values[set] !== undefined && isBest(board, set, row.values[set]))),
      ...(several ? [cell(row.mean)] : []),
    ]),
  };
}

function isBest(board: Board, set: string, value: Numeric | undefined): boolean {
  const values = board.rows.map((row) => number(row.values[set])).filter((each): each is number => each !== null);
  const best = board.higher_is_better ? Math.max(...values) : Math.min(...values);
  return number(value) === best;
}
