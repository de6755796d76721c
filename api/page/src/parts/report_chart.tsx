import { useEffect, useRef, useState } from "preact/hooks";
import { number, type ManyCurves, type RunPage } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { colourOf, dashOf } from "../logic/colours";
import { idFilter } from "../logic/columns";
import type { Axis } from "../logic/curves";
import type { Sheet } from "../logic/exports";
import { metric } from "../logic/format";
import { limitOf, listed, type PanelProps } from "../logic/panel_form";
import { useRefreshed } from "../logic/refreshed";
import { tableText } from "../logic/reports";
import { shownRun, type ShownRun } from "../logic/shown_run";
import { Chart, type ChartLine } from "./chart";
import { LineKey } from "./line_key";
import { Empty, Notice } from "./notice";
import { chartLine, useSeen, Values } from "./panels";

const POINTS = 1_000;
const RUNNING_MS = 5_000;
const RESTING_MS = 60_000;
const HEIGHT = 240;

/** Curves of some metrics of some runs, one chart for each metric. */
export function ReportChart({ form, told }: PanelProps) {
  const ids = listed(form, "runs");
  const filter = ids.length ? idFilter(ids) : (form.values.filter ?? null);
  const query = { filter, order_by: form.values.order ?? null, fields: "name,status,started_at,created_at", limit: limitOf(form) };
  const { answer, problem, again } = useAnswer<RunPage>("/runs", query);
  const [highlighted, highlight] = useState<string | null>(null);
  const texts = useRef(new Map<string, string>());
  const running = !!answer?.runs.some((run) => run.status === "running" || run.status === "lost contact");
  useRefreshed(again, running ? RUNNING_MS : RESTING_MS);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  if (!answer.runs.length) return <Empty>No run fulfils the filter.</Empty>;
  const runs = answer.runs.map(shownRun);
  const metrics = listed(form, "metrics");
  const tell = (name: string, text: string) => {
    texts.current.set(name, text);
    told(metrics.flatMap((each) => texts.current.get(each) ?? []).join("\n"));
  };
  return (
    <>
      <div class={metrics.length > 1 ? "grid" : ""}>
        {metrics.map((name) => <OneChart key={name} name={name} alone={metrics.length === 1} {...{ form, runs, running, highlighted, highlight }} told={(text) => tell(name, text)} />)}
      </div>
      <ul class="groups" aria-label="Runs">
        {runs.map((run) => <li key={run.id} onMouseEnter={() => highlight(run.id)} onMouseLeave={() => highlight(null)}><LineKey colour={colourOf(run.id)} dash={dashOf(run.id, runs.map((each) => each.id))} />{run.name}</li>)}
      </ul>
    </>
  );
}

interface OneProps extends PanelProps {
  name: string;
  alone: boolean;
  runs: readonly ShownRun[];
  running: boolean;
  highlighted: string | null;
  highlight: (run: string | null) => void;
}

function OneChart({ name, alone, form, told, runs, running, highlighted, highlight }: OneProps) {
  const box = useRef<HTMLDivElement>(null);
  const seen = useSeen(box);
  const axis = (form.values.axis as Axis | undefined) ?? "step";
  const [low, high] = (form.values.zoom ?? "").split(",").map(Number);
  const written: [number, number] | null = low !== undefined && high !== undefined ? [low, high] : null;
  const [zoom, setZoom] = useState(written);
  const ids = runs.map((run) => run.id);
  const { answer, problem, again } = useAnswer<ManyCurves>(seen ? "/curves" : null, { run: ids, key: name, axis, points: POINTS, ...(zoom ? { begin: zoom[0], end: zoom[1] } : {}) });
  useRefreshed(again, running ? RUNNING_MS : null);
  const look = { axis, smooth: Number(form.values.smoothing) || 0, resumes: null };
  const lines = runs.flatMap((run) => chartLine(run, ids, answer?.runs[run.id]?.curves[name], look));
  useEffect(() => {
    if (answer) told(tableText(lastValues(name, lines, answer.vector)));
  }, [answer]);
  const single = lines.length > 0 && lines.every((line) => line.x.length <= 1 && !line.raw);
  return (
    <div class="report-chart" ref={box}>
      {!alone && <h4>{name}</h4>}
      {problem && <Notice problem={problem} again={again} />}
      {!problem && answer && !lines.length && <Empty>These runs have no points of {name}{zoom && " in this part of the axis"}.</Empty>}
      {single && <Values name={name} lines={lines} />}
      {!single && lines.length > 0 && <Chart {...{ name, lines, axis, zoom, highlighted, highlight }} log={form.values.log === "yes"} height={HEIGHT} onZoom={(range) => setZoom(range ?? written)} />}
    </div>
  );
}

function lastValues(name: string, lines: readonly ChartLine[], vector: string): Sheet {
  const rows = lines.map((line) => {
    const value = number((line.raw ?? line).y.at(-1) ?? null);
    return [line.name, line.x.at(-1) ?? null, { text: metric(name, value), value }];
  });
  return { name: `Last values of ${name}`, notes: [], vector, columns: [{ title: "Run" }, { title: "At", numeric: true }, { title: name, numeric: true }], rows };
}
