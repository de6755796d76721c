import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { number, type Curve, type ManyCurves } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { colourOf, dashOf } from "../logic/colours";
import { bandOf, extended, lineOf, panelOrder, parted, smoothed, together, type Axis, type Line } from "../logic/curves";
import { metric } from "../logic/format";
import { useLive, type LivePoints } from "../logic/live";
import type { PanelText } from "../logic/panel_text";
import { ask, joined, list } from "../logic/route";
import { idFilter } from "../logic/columns";
import type { ShownRun } from "../logic/shown_run";
import { Chart, type ChartLine } from "./chart";
import { ExportChart } from "./export_menu";
import { LineKey } from "./line_key";
import { Empty, Notice } from "./notice";

/** When each later attempt of a run began, in seconds, and after which step. */
type Resumes = Record<string, { time: number; step: number | null }[]>;

interface Props {
  runs: readonly ShownRun[];
  keys: readonly string[];
  /** The ids of runs under the names of groups that are drawn instead of them. */
  groups?: ReadonlyMap<string, readonly string[]>;
  note?: string | null;
  query: URLSearchParams;
  highlighted: string | null;
  highlight: (run: string | null) => void;
}

const AXES: [Axis, string][] = [["step", "Step"], ["epoch", "Epoch"], ["relative", "Time since start"], ["time", "Time of day"]];
/** More than a panel has pixels across, small and large: each stretch of the axis comes as its least and its largest value. */
const POINTS = { small: 500, large: 1_500 };
/** Live points are appended as they come; so often the curve is asked for again, as the tables have it. */
const RECONCILE_MS = 10_000;

/** A panel for each metric of the shown runs; their settings are in the URL. */
export function Panels({ runs, keys, groups, note, query, highlighted, highlight }: Props) {
  const axis = (query.get("axis") as Axis) || "step";
  const smooth = Number(query.get("smooth")) || 0;
  const logs = list(query.get("log"));
  const zoom = zoomOf(query.get("zoom"));
  const words = query.get("panels") ?? "";
  const attempts = query.get("attempts") === "all" && !groups;
  const resumes = useResumes(attempts ? runs : []);
  const [fresh, setFresh] = useState<string[]>([]);
  const bus = useMemo(() => new Bus(), []);

  const going = runs.filter((run) => run.status === "running" || run.status === "lost contact");
  useLive(going.length ? going.map((run) => run.id) : null, {
    points: (points) => {
      bus.tell(points);
      const unknown = Object.keys(points.curves).filter((key) => !keys.includes(key));
      if (unknown.length) setFresh((now) => (unknown.every((key) => now.includes(key)) ? now : [...new Set([...now, ...unknown])]));
    },
  });
  const shown = panelOrder([...keys, ...fresh]).filter((key) => key.toLowerCase().includes(words.toLowerCase()));
  const setZoom = useCallback((range: [number, number] | null) => ask({ zoom: range && range.map((x) => Number(x.toPrecision(9))).join(",") }), []);
  const setLog = (key: string) => ask({ log: joined(logs.includes(key) ? logs.filter((each) => each !== key) : [...logs, key]) });
  return (
    <section class="panels" aria-label="Charts">
      <div class="tools">
        <input type="search" class="narrow" aria-label="Metrics that contain" placeholder="Metrics…" value={words} onInput={(event) => ask({ panels: event.currentTarget.value })} />
        <label>Axis <select value={axis} onChange={(event) => ask({ axis: event.currentTarget.value === "step" ? null : event.currentTarget.value, zoom: null })}>
          {AXES.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
        </select></label>
        <label class="slider">Smoothing <input type="range" min="0" max="0.99" step="0.01" value={smooth} onInput={(event) => ask({ smooth: event.currentTarget.value === "0" ? null : event.currentTarget.value })} /> <output>{smooth.toFixed(2)}</output></label>
        {!groups && <label title="Where runs were resumed, and what they had logged beyond that"><input type="checkbox" checked={attempts} onChange={() => ask({ attempts: attempts ? null : "all" })} /> Attempts</label>}
        <button type="button" class={zoom ? "" : "away"} onClick={() => setZoom(null)}>Whole axis</button>
      </div>
      {note && <p class="quiet">{note}</p>}
      {groups && runs.length > 0 && <Legend groups={groups} highlight={highlight} />}
      {!runs.length && <Empty>No run is shown. The eye before a run's name shows its curves.</Empty>}
      {runs.length > 0 && !shown.length && <Empty>{words ? "No metric of these runs has such a name." : "These runs have logged no metrics yet."}</Empty>}
      <div class="grid">
        {runs.length > 0 && shown.map((key) => (
          <Panel key={key} name={key} {...{ runs, groups, resumes, axis, smooth, zoom, bus, highlighted, highlight }} log={logs.includes(key)} toggleLog={setLog} onZoom={setZoom} />
        ))}
      </div>
    </section>
  );
}

function zoomOf(text: string | null): [number, number] | null {
  const [low, high] = (text ?? "").split(",").map(Number);
  return low !== undefined && high !== undefined && low < high ? [low, high] : null;
}

/** Hands live points to the panels that show them. */
class Bus {
  private readonly listeners = new Set<(points: LivePoints) => void>();

  tell(points: LivePoints): void {
    for (const listener of this.listeners) listener(points);
  }

  on(listener: (points: LivePoints) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

function Legend({ groups, highlight }: { groups: ReadonlyMap<string, readonly string[]>; highlight: (group: string | null) => void }) {
  return (
    <ul class="groups" aria-label="Groups">
      {[...groups].map(([name, ids]) => (
        <li key={name} onMouseEnter={() => highlight(name)} onMouseLeave={() => highlight(null)}><LineKey colour={colourOf(name)} dash={dashOf(name, [...groups.keys()])} />{name} <span class="quiet">{ids.length}</span></li>
      ))}
    </ul>
  );
}

interface Resumed {
  runs: { id: string; resumes?: { from_step: number | null; time: string }[] }[];
}

/** The later attempts of runs; null while they are not known or not asked for. */
function useResumes(runs: readonly ShownRun[]): Resumes | null {
  const { answer } = useAnswer<Resumed>(runs.length ? "/runs" : null, { filter: idFilter(runs.map((run) => run.id)), fields: "resumes", limit: runs.length });
  return useMemo(() => {
    if (!answer || !runs.length) return null;
    const of = ({ from_step, time }: { from_step: number | null; time: string }) => ({ step: from_step, time: Date.parse(time) / 1000 });
    return Object.fromEntries(answer.runs.map((run) => [run.id, (run.resumes ?? []).map(of)]));
  }, [answer]);
}

interface PanelProps {
  name: string;
  runs: readonly ShownRun[];
  groups: Props["groups"];
  /** Not null: attempts are to be seen. */
  resumes: Resumes | null;
  axis: Axis;
  smooth: number;
  log: boolean;
  zoom: [number, number] | null;
  bus: Bus;
  highlighted: string | null;
  highlight: (run: string | null) => void;
  toggleLog: (key: string) => void;
  onZoom: (range: [number, number] | null) => void;
}

function Panel(props: PanelProps) {
  const { name, runs, axis, zoom, bus } = props;
  const box = useRef<HTMLElement>(null);
  const seen = useSeen(box);
  const [wide, setWide] = useState(false);
  const [live, setLive] = useState<Record<string, Curve>>({});
  const ids = runs.map((run) => run.id);
  const asked = useAnswer<ManyCurves>(seen && ids.length ? "/curves" : null, {
    run: ids, key: name, axis, points: wide ? POINTS.large : POINTS.small, abandoned: props.resumes ? true : null, ...(zoom ? { begin: zoom[0], end: zoom[1] } : {}),
  });

  useEffect(() => {
    let stale = false;
    const off = bus.on((points) => {
      const curve = points.curves[name];
      if (!curve) return;
      stale = true;
      setLive((now) => ({ ...now, [points.run]: extended(now[points.run], curve) }));
    });
    const timer = setInterval(() => {
      if (stale) asked.again();
      stale = false;
    }, RECONCILE_MS);
    return () => {
      off();
      clearInterval(timer);
    };
  }, [name, bus]);

  const lines = useMemo(
    () => (props.groups ? groupLines(props.groups, asked.answer, props) : runs.flatMap((run) => chartLine(run, ids, curveOf(run, asked.answer, live, props), props))),
    [asked.answer, live, axis, props.smooth, ids.join(), props.groups && [...props.groups.keys()].join(), props.resumes],
  );
  const single = lines.length > 0 && lines.every((line) => line.x.length <= 1 && !line.raw);
  return (
    <article class={`panel${single ? " single" : wide ? " wide" : ""}`} ref={box} aria-label={name}>
      <header>
        <h3 title={name}>{name}</h3>
        {!single && <button type="button" class="plain" aria-pressed={props.log} onClick={() => props.toggleLog(name)}>log</button>}
        {lines.length > 0 && asked.answer && <ExportChart {...{ name, lines, axis, zoom }} log={props.log} vector={asked.answer.vector} panel={panelOf(props, ids)} />}
        {!single && <button type="button" class="plain" aria-pressed={wide} aria-label={wide ? "Smaller" : "Larger"} onClick={() => setWide(!wide)}>{wide ? "⤡" : "⤢"}</button>}
      </header>
      {asked.problem && <Notice problem={asked.problem} again={asked.again} />}
      {!asked.problem && asked.answer && !lines.length && <Empty>No points {zoom ? "in this part of the axis" : "of the shown runs"}.</Empty>}
      {single && <Values name={name} lines={lines} />}
      {!single && lines.length > 0 && <Chart {...props} lines={lines} height={wide ? 420 : 190} />}
    </article>
  );
}

/** The chart for a report; of groups there are none. */
function panelOf({ name, groups, axis, smooth, log, zoom }: PanelProps, runs: readonly string[]): PanelText | null {
  if (groups) return null;
  const more = { axis: axis === "step" ? null : axis, smoothing: smooth ? String(smooth) : null, log: log ? "yes" : null, zoom: zoom?.join(", ") };
  return { kind: "chart", values: { metrics: [name], runs, ...more } };
}

function curveOf(run: ShownRun, answer: ManyCurves | null, live: Record<string, Curve>, { name, axis, zoom }: PanelProps): Curve | undefined {
  const curve = answer?.runs[run.id]?.curves[name];
  const tail = live[run.id];
  // Live points come without their epoch; the next answer has them.
  if (!tail || zoom || !answer || axis === "epoch") return curve;
  return extended(curve, axis === "relative" ? { ...tail, time: tail.time.map((time) => time - run.started) } : tail);
}

export function chartLine(run: ShownRun, beside: readonly string[], curve: Curve | undefined, { axis, smooth, resumes }: Pick<PanelProps, "axis" | "smooth" | "resumes">): ChartLine[] {
  if (!curve?.value.length) return [];
  const attempts = resumes?.[run.id] ?? [];
  const { kept, abandoned } = parted(curve, attempts.map(({ time }) => (axis === "relative" ? time - run.started : time)));
  const line = lineOf(run.id, kept, axis);
  const look = { name: run.name, colour: colourOf(run.id), dash: dashOf(run.id, beside) };
  const soft = smoothed(line, smooth);
  const band = soft === line ? null : bandOf(line);
  const marks = axis === "epoch" ? [] : attempts.flatMap(({ step, time }) => (axis === "step" ? (step ?? []) : axis === "time" ? time : time - run.started));
  return [{ ...soft, ...look, band, raw: soft === line ? null : line, tails: abandoned.map((tail) => lineOf(run.id, tail, axis)), marks }];
}

/** Of each group the mean of its runs, with the band that they fill. */
function groupLines(groups: ReadonlyMap<string, readonly string[]>, answer: ManyCurves | null, { name, axis, smooth }: PanelProps): ChartLine[] {
  return [...groups].flatMap(([group, ids]) => {
    const lines = ids.flatMap((id): Line[] => {
      const curve = answer?.runs[id]?.curves[name];
      return curve?.value.length ? [smoothed(lineOf(id, curve, axis), smooth)] : [];
    });
    if (!lines.length) return [];
    const { line, band } = together(group, lines);
    return [{ ...line, name: `${group} (${lines.length})`, colour: colourOf(group), dash: dashOf(group, [...groups.keys()]), band: lines.length > 1 ? band : null, raw: null, tails: [], marks: [] }];
  });
}

/** A metric that was logged once is no curve: its values side by side, or the one there is. */
export function Values({ name, lines }: { name: string; lines: readonly ChartLine[] }) {
  const values = lines.map((line) => number(line.y[0]));
  const [only, second] = lines;
  if (!second) {
    return (
      <p class="figure">
        <b>{values[0] === null ? "NaN" : metric(name, values[0])}</b>
        <span class="quiet clip"><i class="dot" style={{ background: only!.colour }} />{only!.name}</span>
      </p>
    );
  }
  const most = Math.max(...values.map((value) => Math.abs(value ?? 0))) || 1;
  return (
    <ul class="values" tabIndex={0} aria-label={`${name}, one value a run`}>
      {lines.map((line, i) => (
        <li key={line.run}>
          <span class="clip" title={line.name}>{line.name}</span>
          <span class="bar"><i style={{ width: `${(Math.abs(values[i] ?? 0) / most) * 100}%`, background: line.colour }} /></span>
          <b>{values[i] === null ? "NaN" : metric(name, values[i])}</b>
        </li>
      ))}
    </ul>
  );
}

/** Whether an element has come near the visible part of the page, or is to be printed. */
export function useSeen(box: { current: HTMLElement | null }): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      setSeen(true);
      observer.disconnect();
    }, { rootMargin: "300px" });
    observer.observe(box.current!);
    const printing = () => setSeen(true);
    addEventListener("beforeprint", printing);
    return () => {
      observer.disconnect();
      removeEventListener("beforeprint", printing);
    };
  }, []);
  return seen;
}
