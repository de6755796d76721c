import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { number, type Curve, type ManyCurves } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { colourOf, dashOf } from "../logic/colours";
import { extended, lineOf, panelOrder, smoothed, type Axis } from "../logic/curves";
import { metric } from "../logic/format";
import { useLive, type LivePoints } from "../logic/live";
import { ask, joined, list } from "../logic/route";
import { Chart, type ChartLine } from "./chart";
import { ExportChart } from "./export_menu";
import { Empty, Notice } from "./notice";

export interface ShownRun {
  id: string;
  name: string;
  status: string;
  started: number;
}

interface Props {
  runs: readonly ShownRun[];
  keys: readonly string[];
  query: URLSearchParams;
  highlighted: string | null;
  highlight: (run: string | null) => void;
}

const AXES: [Axis, string][] = [["step", "Step"], ["relative", "Time since start"], ["time", "Time of day"]];
const POINTS = 1_000;
/** Live points are appended as they come; so often the curve is asked for again, as the tables have it. */
const RECONCILE_MS = 10_000;

/** A panel for each metric of the shown runs; their settings are in the URL. */
export function Panels({ runs, keys, query, highlighted, highlight }: Props) {
  const axis = (query.get("axis") as Axis) || "step";
  const smooth = Number(query.get("smooth")) || 0;
  const logs = list(query.get("log"));
  const zoom = zoomOf(query.get("zoom"));
  const words = query.get("panels") ?? "";
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
        <input type="search" aria-label="Metrics that contain" placeholder="Metrics…" value={words} onInput={(event) => ask({ panels: event.currentTarget.value })} />
        <label>Axis <select value={axis} onChange={(event) => ask({ axis: event.currentTarget.value === "step" ? null : event.currentTarget.value, zoom: null })}>
          {AXES.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
        </select></label>
        <label class="slider">Smoothing <input type="range" min="0" max="0.99" step="0.01" value={smooth} onInput={(event) => ask({ smooth: event.currentTarget.value === "0" ? null : event.currentTarget.value })} /> <output>{smooth.toFixed(2)}</output></label>
        {zoom && <button type="button" onClick={() => setZoom(null)}>Whole axis</button>}
      </div>
      {!runs.length && <Empty>No run is shown. The eye before a run's name shows its curves.</Empty>}
      {runs.length > 0 && !shown.length && <Empty>{words ? "No metric of these runs has such a name." : "These runs have logged no metrics yet."}</Empty>}
      <div class="grid">
        {runs.length > 0 && shown.map((key) => (
          <Panel key={key} name={key} {...{ runs, axis, smooth, zoom, bus, highlighted, highlight }} log={logs.includes(key)} toggleLog={setLog} onZoom={setZoom} />
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

interface PanelProps {
  name: string;
  runs: readonly ShownRun[];
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
    run: ids, key: name, axis, points: POINTS, ...(zoom ? { begin: zoom[0], end: zoom[1] } : {}),
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
    () => runs.flatMap((run) => chartLine(run, ids, curveOf(run, asked.answer, live, props), props)),
    [asked.answer, live, axis, props.smooth, ids.join()],
  );
  const single = lines.length > 0 && lines.every((line) => line.x.length <= 1 && !line.raw);
  return (
    <article class={`panel${wide ? " wide" : ""}`} ref={box} aria-label={name}>
      <header>
        <h3 title={name}>{name}</h3>
        {!single && <button type="button" class="plain" aria-pressed={props.log} onClick={() => props.toggleLog(name)}>log</button>}
        {!single && lines.length > 0 && asked.answer && <ExportChart {...{ name, lines, axis, zoom }} log={props.log} vector={asked.answer.vector} />}
        <button type="button" class="plain" aria-pressed={wide} aria-label={wide ? "Smaller" : "Larger"} onClick={() => setWide(!wide)}>{wide ? "⤡" : "⤢"}</button>
      </header>
      {asked.problem && <Notice problem={asked.problem} again={asked.again} />}
      {!asked.problem && asked.answer && !lines.length && <Empty>No points {zoom ? "in this part of the axis" : "of the shown runs"}.</Empty>}
      {single && <Values name={name} lines={lines} />}
      {!single && lines.length > 0 && <Chart {...props} lines={lines} height={wide ? 420 : 190} />}
    </article>
  );
}

function curveOf(run: ShownRun, answer: ManyCurves | null, live: Record<string, Curve>, { name, axis, zoom }: PanelProps): Curve | undefined {
  const curve = answer?.runs[run.id]?.curves[name];
  const tail = live[run.id];
  if (!tail || zoom || !answer) return curve;
  return extended(curve, axis === "relative" ? { ...tail, time: tail.time.map((time) => time - run.started) } : tail);
}

function chartLine(run: ShownRun, beside: readonly string[], curve: Curve | undefined, { axis, smooth }: PanelProps): ChartLine[] {
  if (!curve?.value.length) return [];
  const line = lineOf(run.id, curve, axis);
  const look = { name: run.name, colour: colourOf(run.id), dash: dashOf(run.id, beside) };
  const soft = smoothed(line, smooth);
  return [{ ...soft, ...look, raw: soft === line ? null : line }];
}

/** A metric that was logged once is no curve: its values side by side. */
function Values({ name, lines }: { name: string; lines: readonly ChartLine[] }) {
  const values = lines.map((line) => number(line.y[0]));
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

/** Whether an element has come near the visible part of the page. */
function useSeen(box: { current: HTMLElement | null }): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      setSeen(true);
      observer.disconnect();
    }, { rootMargin: "300px" });
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return seen;
}
