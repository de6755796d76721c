import { useState } from "preact/hooks";
import type { Group, RunPage } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { colourOf } from "../logic/colours";
import type { Column, Order } from "../logic/columns";
import { groupName, groupsOf, neededFields, spreadText, valuesOf, within } from "../logic/groups";
import { groupsSheet } from "../logic/sheets";
import { address } from "../logic/route";
import { shownRun } from "../logic/shown_run";
import { ExportMenu } from "../parts/export_menu";
import { Empty, Notice } from "../parts/notice";
import { Panels } from "../parts/panels";
import { VirtualTable, type TableColumn } from "../parts/table";

interface Groups {
  vector: string;
  groups: Group[];
}

type Row = Group & { id: string; place: number };

/** As many numbers as the server summarises at once, and groups as it gives. */
const MOST_NUMBERS = 10;
const MOST_GROUPS = 1_000;
const NEWEST = 100;

interface Props {
  filter: string;
  fields: readonly string[];
  columns: readonly Column[];
  order: Order | null;
  sort: (column: string) => void;
  query: URLSearchParams;
}

/** Groups of runs with how many they are and mean ± deviation of the numbers in the table. */
export function GroupTable({ filter, fields, columns, order, sort, query }: Props) {
  const numbers = columns.filter((each) => each.numeric).slice(0, MOST_NUMBERS);
  const asked = useAnswer<Groups>("/runs", { filter, group_by: fields.join(","), aggregate: numbers.map((each) => each.order).join(",") });
  if (asked.problem) return <Notice problem={asked.problem} again={asked.again} />;
  const rows = ordered((asked.answer?.groups ?? []).map((each, place) => ({ ...each, place, id: groupName(valuesOf(each)) })), fields, numbers, order);
  const direction = (id: string) => (order?.id === id ? (order.descending ? "descending" as const : "ascending" as const) : "none" as const);
  const table: TableColumn<Row>[] = [
    ...fields.map((field, i): TableColumn<Row> => ({
      id: field, title: field, width: Math.max(110, Math.floor(300 / fields.length)), sort: direction(field),
      cell: (row) => <><i class="dot" style={{ background: i ? "none" : colourOf(row.id) }} />{groupName([valuesOf(row)[i]])}</>,
    })),
    {
      id: "count", title: "Runs", width: 80, numeric: true, sort: direction("count"),
      cell: (row) => <a href={address("/runs", { filter: within(filter, fields, valuesOf(row)), columns: query.get("columns"), pins: query.get("pins") })} title="These runs">{row.count}</a>,
    },
    ...numbers.map((each, i): TableColumn<Row> => ({
      id: each.id, title: each.title, hint: `${each.hint ?? each.title}: mean ± standard deviation`, width: Math.max(150, each.width), numeric: true, sort: direction(each.id),
      cell: (row) => <span title={about(row, i)}>{spreadText(each, row, i)}</span>,
    })),
  ];
  return (
    <>
      {asked.answer && rows.length > 0 && <div class="tools"><span class="grow" /><ExportMenu name="Groups of runs" sheet={() => groupsSheet(rows, fields, numbers, filter, asked.answer!.vector)} /></div>}
      <VirtualTable label="Groups of runs" rows={rows} columns={table} more={false} loadMore={() => {}} sort={sort} />
      {asked.answer && !rows.length && <Empty>No run fulfils the filter.</Empty>}
      {rows.length === MOST_GROUPS && <p class="quiet">The {MOST_GROUPS} largest groups.</p>}
    </>
  );
}

function about(row: Row, place: number): string {
  const found = Object.values(row.values)[place];
  return found ? `of ${found.count} of ${row.count} runs, from ${found.min} to ${found.max}` : "";
}

function ordered(rows: Row[], fields: readonly string[], numbers: readonly Column[], order: Order | null): Row[] {
  if (!order) return rows;
  const value = (row: Row): unknown => {
    const field = fields.indexOf(order.id);
    if (field >= 0) return valuesOf(row)[field];
    return order.id === "count" ? row.count : Object.values(row.values)[numbers.findIndex((each) => each.id === order.id)]?.mean;
  };
  const sign = order.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one === null || one === undefined || other === null || other === undefined) return Number(one === null || one === undefined) - Number(other === null || other === undefined);
    return sign * (typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other)));
  });
}

/** The curves of groups: the mean of their runs, and between what values these are. */
export function GroupCurves({ filter, fields, query }: Pick<Props, "filter" | "fields" | "query">) {
  const [highlighted, highlight] = useState<string | null>(null);
  const needed = [...new Set(["name", "status", "started_at", "created_at", "metrics", ...neededFields(fields)])];
  const { answer, problem, again } = useAnswer<RunPage>("/runs", { filter, fields: needed.join(","), limit: NEWEST });
  if (problem) return problem.position === null ? <Notice problem={problem} again={again} /> : <section class="panels" />;
  if (!answer) return <section class="panels" />;
  const groups = new Map<string, string[]>();
  for (const run of answer.runs) for (const name of groupsOf(run, fields)) groups.set(name, [...(groups.get(name) ?? []), run.id]);
  const keys = answer.runs.flatMap((run) => Object.keys(run.metrics ?? {}));
  return (
    <Panels
      runs={answer.runs.map(shownRun)} keys={keys} groups={groups} query={query} highlighted={highlighted} highlight={highlight}
      note={answer.next_cursor ? `Of the ${NEWEST} runs that come first in the filter.` : null}
    />
  );
}

