import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem, Run, RunPage } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { colourOf } from "../logic/colours";
import { column, idFilter, moved, nextOrder, orderTerm, parseOrder, testSetsOf, USUAL, usualColumns } from "../logic/columns";
import { runsSheet } from "../logic/sheets";
import { useLive } from "../logic/live";
import { usePages } from "../logic/pages";
import { useRefreshed } from "../logic/refreshed";
import { address, ask, go, joined, list, shownShare } from "../logic/route";
import { shownRun } from "../logic/shown_run";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { ColumnsMenu } from "../parts/columns_menu";
import { ExportMenu } from "../parts/export_menu";
import { FilterBox } from "../parts/filter_box";
import { GroupMenu } from "../parts/group_menu";
import { FirstSteps, Notice, Status } from "../parts/notice";
import { Panels } from "../parts/panels";
import { SavedViews } from "../parts/saved_views";
import { VirtualTable, type TableColumn } from "../parts/table";
import { GroupCurves, GroupTable } from "./runs_grouped";

const PAGE = 200;
const FIRST_SHOWN = 5;
const MOST_SHOWN = 30;
const MOST_COMPARED = 20;
const REFRESH_MS = 1_500;
const SHARED_REFRESH_MS = 5_000;

/** All runs in one table, beside the curves of those whose eye is open. */
export function Runs({ route }: ViewProps) {
  const { query } = route;
  const filter = query.get("filter") ?? "";
  const order = parseOrder(query.get("order"));
  const pins = list(query.get("pins"));
  const groups = list(query.get("group"));
  const grouped = groups.length > 0;
  useTitle(filter, "Runs");
  const chosen = query.has("columns") ? list(query.get("columns")) : null;
  const needed = [...(chosen ?? USUAL).flatMap((id) => column(id)?.field ?? []), ...(chosen ? [] : ["test_sets"])];
  const fields = [...new Set(["name", "status", "started_at", ...needed])].sort().join();
  const runs = useRuns(!grouped ? { filter, order_by: orderTerm(order), fields } : null);
  const usual = useUsualColumns(runs, grouped ? filter : null);
  const ids = chosen ?? usual;
  const ordered = [...(ids ?? []).filter((id) => pins.includes(id)), ...(ids ?? []).filter((id) => !pins.includes(id))];
  const columns = ordered.map(column).filter((each) => each !== null);

  const [highlighted, highlight] = useState<string | null>(null);
  const shown = query.has("shown") ? list(query.get("shown")).filter((each) => each !== "none") : runs.rows.slice(0, FIRST_SHOWN).map((run) => run.id);
  const toggle = (run: Run) => {
    const next = shown.includes(run.id) ? shown.filter((each) => each !== run.id) : [...shown, run.id].slice(-MOST_SHOWN);
    ask({ shown: joined(next) || "none" });
  };
  const name: TableColumn<Run> = {
    id: "name",
    title: "Name",
    width: 230,
    sort: order?.id === "name" ? (order.descending ? "descending" : "ascending") : "none",
    cell: (run) => (
      <>
        <button
          type="button" class="eye" aria-pressed={shown.includes(run.id)} aria-label={`Curves of ${run.name}`} title="Show its curves"
          style={{ color: colourOf(run.id) }} onClick={() => toggle(run)}
        >{shown.includes(run.id) ? "●" : "○"}</button>
        <a href={address(`/runs/${run.id}`)} title={run.name}>{run.name}</a>
      </>
    ),
  };
  const table = [name, ...columns.map((each): TableColumn<Run> => ({
    id: each.id,
    title: each.title,
    hint: each.hint ?? each.title,
    width: each.width,
    numeric: each.numeric,
    pinned: pins.includes(each.id),
    sort: order?.id === each.id ? (order.descending ? "descending" : "ascending") : "none",
    cell: (run) => (each.id === "status" ? <Status status={run.status} /> : each.text(run)),
  }))];
  const sort = (id: string) => ask({ order: nextOrder(order, id) });
  if (!grouped && runs.loaded && !runs.rows.length && !filter) return <FirstSteps title="No runs yet" />;
  return (
    <div class="split">
      <section class="list" aria-label="Runs">
        <h1 class="unseen">Runs</h1>
        <div class="tools">
          <FilterBox value={filter} problem={runs.problem} submit={(text) => ask({ filter: text, shown: query.get("shown") === "none" ? "none" : null }, { replace: false })} />
          <span class="quiet count" aria-live="polite">{!grouped && runs.loaded && `${runs.rows.length}${runs.more ? "+" : ""} runs`}</span>
          {!grouped && shown.length > 1 && <a class="button" href={address("/compare", { runs: joined(shown.slice(0, MOST_COMPARED)) })}>Compare shown</a>}
          {!grouped && runs.rows.length > 0 && <ExportMenu name="Runs" sheet={() => runsSheet(runs, columns, filter)} panel={{ kind: "runs", values: { filter, order: orderTerm(order), columns: columns.map((each) => each.id) } }} />}
          <GroupMenu chosen={groups} choose={(chosen) => ask({ group: joined(chosen), order: null })} />
          <ColumnsMenu chosen={ids ?? []} choose={(chosen) => ask({ columns: joined(chosen) || "status" })} pinned={pins} pin={(chosen) => ask({ pins: joined(chosen) })} />
          <SavedViews />
        </div>
        {runs.problem && runs.problem.position === null && <Notice problem={runs.problem} again={runs.again} />}
        {grouped ? <GroupTable {...{ filter, columns, order, sort, query }} fields={groups} /> : <VirtualTable
          label="Runs" rows={ids ? runs.rows : []} columns={table} more={runs.more} loadMore={runs.loadMore}
          sort={sort} reorder={(id, place) => ask({ columns: joined(moved(ordered, id, place)) })} open={(run) => go(address(`/runs/${run.id}`))} toggle={toggle}
          highlighted={highlighted} highlight={highlight}
        />}
        {!grouped && runs.loaded && !runs.rows.length && !runs.problem && <p class="nothing">No run fulfils the filter. <a href={address("/runs")}>All runs</a></p>}
      </section>
      {grouped && <GroupCurves filter={filter} fields={groups} query={query} />}
      {!grouped && runs.loaded && <Curves ids={shown} query={query} highlighted={highlighted} highlight={highlight} />}
    </div>
  );
}

/**
 * The usual columns, with results on the test sets that most runs have: of the first ones that came, as asking about
 * all would take longer than they do. null until they are known, and then as they are. filter: of groups.
 */
function useUsualColumns({ rows, loaded, problem }: Loaded, filter: string | null): string[] | null {
  const kept = useRef<string[] | null>(null);
  const newest = useAnswer<RunPage>(filter === null ? null : "/runs", { filter, fields: "test_sets", limit: PAGE });
  if (filter !== null) return newest.answer ? usualColumns(testSetsOf(newest.answer.runs)) : newest.problem ? USUAL : null;
  if (!rows.length) return loaded || problem ? USUAL : null;
  kept.current ??= usualColumns(testSetsOf(rows));
  return kept.current;
}

interface Loaded {
  rows: Run[];
  vector: string;
  more: boolean;
  loaded: boolean;
  problem: Problem | null;
  loadMore: () => void;
  again: () => void;
}

interface Question {
  filter: string;
  order_by: string;
  fields: string;
}

/** The runs page by page; the first page comes again when something happens in the runs. */
function useRuns(question: Question | null): Loaded {
  const { first, rows, change, again, ...found } = usePages<RunPage, Run>(question && "/runs", { ...question, limit: PAGE }, (page) => page.runs, cursorOf);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const many = rows.length > PAGE;
  useLive(shownShare() ? null : [], {
    change: ({ kind, run, status }) => {
      if (kind === "status" && status) change((row) => (row.id === run ? { ...row, status } : row));
      if (many || kind === "heartbeat" || kind === "log") return;
      clearTimeout(timer.current);
      timer.current = setTimeout(again, REFRESH_MS);
    },
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  // A shared link hears nothing of runs that its table may not show: it looks again instead.
  useRefreshed(again, shownShare() && !many ? SHARED_REFRESH_MS : null);
  return { ...found, rows, again, vector: first?.vector ?? "", loaded: first !== null };
}

function cursorOf({ next_cursor }: RunPage): { cursor: string } | null {
  return next_cursor === null ? null : { cursor: next_cursor };
}

interface CurvesProps {
  ids: readonly string[];
  query: URLSearchParams;
  highlighted: string | null;
  highlight: (run: string | null) => void;
}

/** Charts of the shown runs, whether or not the table has them on a page that is loaded. */
function Curves({ ids, ...rest }: CurvesProps) {
  const { answer, problem, again } = useAnswer<RunPage>(ids.length ? "/runs" : null, { filter: idFilter(ids), fields: "name,status,started_at,created_at,metrics", limit: MOST_SHOWN });
  if (problem) return <Notice problem={problem} again={again} />;
  if (ids.length && !answer) return <section class="panels" />;
  const found = ids.length ? answer!.runs : [];
  const keys = found.flatMap((run) => Object.keys(run.metrics ?? {}));
  return <Panels runs={found.map(shownRun)} keys={keys} {...rest} />;
}
