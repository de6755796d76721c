import { useState } from "preact/hooks";
import type { Run, RunPage } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { colourOf, dashOf } from "../logic/colours";
import { differing, idFilter } from "../logic/columns";
import type { Sheet } from "../logic/exports";
import { anything } from "../logic/format";
import { address, ask } from "../logic/route";
import { shownRun } from "../logic/shown_run";
import { ExportMenu } from "../parts/export_menu";
import { LineKey } from "../parts/line_key";
import { Empty, Notice, Status } from "../parts/notice";
import { Panels } from "../parts/panels";
import { Parallel } from "../parts/parallel";
import { Results } from "./compare_runs_results";

const MOST = 20;
const FIELDS = "name,status,experiment,started_at,created_at,config,metrics,test_sets";

/** Runs by what differs in their configs, beside their curves. */
export function CompareRuns({ ids, query }: { ids: readonly string[]; query: URLSearchParams }) {
  const [highlighted, highlight] = useState<string | null>(null);
  const { answer, problem, again } = useAnswer<RunPage>("/runs", { filter: idFilter(ids.slice(0, MOST)), fields: FIELDS, limit: MOST });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  const runs = ids.flatMap((id) => answer.runs.find((run) => run.id === id) ?? []);
  const keys = runs.flatMap((run) => Object.keys(run.metrics ?? {}));
  return (
    <div class="split">
      <section class="list" aria-label="Configs">
        <h1>Compare {runs.length} runs</h1>
        {runs.length < ids.length && <p class="warning">{ids.length - runs.length} of the runs are not shown: more than {MOST} were asked for, or they are not there{query.get("as_of") ? " as of that moment" : ""}.</p>}
        {runs.length > 1 && <Parallel runs={runs} query={query} highlighted={highlighted} highlight={highlight} />}
        <Results runs={runs} vector={answer.vector} />
        <Configs runs={runs} all={query.get("params") === "all"} vector={answer.vector} />
      </section>
      <Panels runs={runs.map(shownRun)} keys={keys} query={query} highlighted={highlighted} highlight={highlight} />
    </div>
  );
}

function Configs({ runs, all, vector }: { runs: readonly Run[]; all: boolean; vector: string }) {
  const ids = runs.map((run) => run.id);
  const rows = differing(runs.map((run) => run.config));
  const shown = all ? rows : rows.filter((row) => row.differs);
  const alike = rows.filter((row) => !row.differs).length;
  return (
    <>
      <div class="tools">
        {alike > 0 && <label><input type="checkbox" checked={all} onChange={() => ask({ params: all ? null : "all" })} /> Also the {alike} parameters that are alike</label>}
        <span class="grow" />
        {shown.length > 0 && <ExportMenu name="Configs" sheet={() => sheetOf(runs, shown, vector)} />}
      </div>
      {!shown.length && <Empty>{rows.length ? "All parameters are alike." : "None of these runs has a config."}</Empty>}
      <div class="scrolled grown" tabIndex={0} role="region" aria-label="Parameters">
        <table class="board">
          <thead><tr>
            <th scope="col">Parameter</th>
            {runs.map((run) => <th scope="col" key={run.id}><LineKey colour={colourOf(run.id)} dash={dashOf(run.id, ids)} /><a href={address(`/runs/${run.id}`)}>{run.name}</a> <Status status={run.status} /></th>)}
          </tr></thead>
          <tbody>{shown.map((row) => (
            <tr key={row.key} class={all && row.differs ? "lit" : ""}>
              <th scope="row">{row.key}</th>
              {row.values.map((value, i) => <td key={i} class="settings">{value === undefined ? <span class="quiet">not set</span> : anything(value)}</td>)}
            </tr>
          ))}</tbody>
        </table>
      </div>
    </>
  );
}

function sheetOf(runs: readonly Run[], rows: ReturnType<typeof differing>, vector: string): Sheet {
  const cell = (value: unknown) => (value === undefined ? null : typeof value === "number" ? { text: anything(value), value } : anything(value));
  return {
    name: "Configs",
    notes: [],
    vector,
    columns: [{ title: "Parameter" }, ...runs.map((run) => ({ title: run.name }))],
    rows: rows.map((row) => [row.key, ...row.values.map(cell)]),
  };
}
