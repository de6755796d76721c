import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { aligned, type Axis, type Band, type Line } from "../logic/curves";
import { duration, isRate, metric, plain, size } from "../logic/format";
import { onTheme } from "../logic/theme";

export interface ChartLine extends Line {
  name: string;
  colour: string;
  dash: number[];
  /** As it was before smoothing, drawn faintly behind unless its band is. */
  raw: Line | null;
  /** Between what values it varies, filled behind it. */
  band: Band | null;
  /** What earlier attempts had logged beyond where later ones went on. */
  tails: readonly Line[];
  /** Where later attempts began, on the axis. */
  marks: readonly number[];
}

interface Props {
  name: string;
  lines: readonly ChartLine[];
  axis: Axis;
  log: boolean;
  height: number;
  /** The part of the axis that is shown; null: all of it. */
  zoom: readonly [number, number] | null;
  onZoom: (range: [number, number] | null) => void;
  highlighted: string | null;
  highlight: (run: string | null) => void;
}

interface Hover {
  left: number;
  top: number;
  x: number;
  rows: { name: string; colour: string; value: number; run: string }[];
}

const SYNC = uPlot.sync("panels");
const MOST_ROWS = 12;

/** Lines of several runs over one axis; cursors of all charts move together. */
export function Chart(props: Props) {
  const { lines, axis, log, height, zoom } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const drawnNow = useRef<readonly ChartLine[] | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [hover, setHover] = useState<Hover | null>(null);
  const [paint, setPaint] = useState(0);

  useEffect(() => onTheme(() => setPaint((now) => now + 1)), []);

  const drawn = drawnLines(lines, log);
  const structure = JSON.stringify([drawn.map((each) => [each.run, each.kind]), axis, log, paint]);
  useLayoutEffect(() => {
    const element = box.current!;
    const made = new uPlot(options(element, drawn, latest, setHover), aligned(drawn) as uPlot.AlignedData, element);
    plot.current = made;
    drawnNow.current = lines;
    SYNC.sub(made);
    rescale(made, latest.current.zoom);
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: latest.current.height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      SYNC.unsub(made);
      made.destroy();
      plot.current = null;
      setHover(null);
    };
  }, [structure]);
  useLayoutEffect(() => {
    const made = plot.current;
    if (!made) return;
    if (drawnNow.current !== lines) made.setData(aligned(drawn) as uPlot.AlignedData, false);
    drawnNow.current = lines;
    rescale(made, zoom);
  }, [lines, zoom?.[0], zoom?.[1]]);
  useLayoutEffect(() => plot.current?.setSize({ width: box.current!.clientWidth, height }), [height]);
  useLayoutEffect(() => {
    const place = drawn.findIndex((each) => each.kind === "line" && each.run === props.highlighted);
    plot.current?.setSeries(place < 0 ? null : place + 1, { focus: place >= 0 }, false);
  }, [props.highlighted, structure]);

  return (
    <div
      class="chart" style={{ height: `${height}px` }} data-points={lines.reduce((sum, each) => sum + each.x.length, 0)}
      data-bands={lines.filter((each) => each.band).length} data-tails={lines.reduce((sum, each) => sum + each.tails.length, 0)} data-marks={lines.reduce((sum, each) => sum + each.marks.length, 0)}
    >
      <div ref={box} role="img" aria-label={`${props.name}: ${lines.map((each) => each.name).join(", ")}`} />
      {hover && <Tip hover={hover} name={props.name} axis={axis} highlighted={props.highlighted} />}
    </div>
  );
}

interface Drawn extends Line {
  colour: string;
  dash: number[];
  name: string;
  kind: "line" | "raw" | "tail" | "low" | "high";
}

/** Everything that is drawn, from the back to the front: bands, what smoothing hides, abandoned tails, lines. */
function drawnLines(lines: readonly ChartLine[], log: boolean): Drawn[] {
  const all = [
    ...lines.flatMap(({ band, ...each }): Drawn[] => (band ? [{ ...each, x: band.x, y: band.low, kind: "low" }, { ...each, x: band.x, y: band.high, kind: "high" }] : [])),
    ...lines.flatMap((each): Drawn[] => (each.raw && !each.band ? [{ ...each, ...each.raw, kind: "raw" }] : [])),
    ...lines.flatMap((each) => each.tails.map((tail): Drawn => ({ ...each, ...tail, kind: "tail" }))),
    ...lines.map((each): Drawn => ({ ...each, kind: "line" })),
  ];
  return log ? all.map((each) => ({ ...each, y: each.y.map((y) => (y !== null && y > 0 ? y : null)) })) : all;
}

const LOOKS: Record<Drawn["kind"], { alpha: string; width: number }> = {
  line: { alpha: "", width: 1.6 },
  raw: { alpha: "38", width: 1 },
  tail: { alpha: "90", width: 1.2 },
  low: { alpha: "00", width: 0 },
  high: { alpha: "00", width: 0 },
};

/** Fills between each low and the high that follows it. */
function bandsOf(drawn: readonly Drawn[]): uPlot.Band[] {
  return drawn.flatMap((each, i) => (each.kind === "low" ? [{ series: [i + 2, i + 1] as [number, number], fill: `${each.colour}2e` }] : []));
}

/** Shades what was abandoned, and marks where later attempts began. */
function drawAttempts(plot: uPlot, lines: readonly ChartLine[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const line of lines) {
    ctx.fillStyle = `${line.colour}1a`;
    for (const tail of line.tails) {
      const [left, right] = [tail.x[0]!, tail.x.at(-1)!].map((x) => plot.valToPos(x, "x", true)) as [number, number];
      ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
    }
    ctx.strokeStyle = line.colour;
    ctx.setLineDash([3, 3]);
    for (const mark of line.marks) {
      const x = Math.round(plot.valToPos(mark, "x", true)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
  }
  ctx.restore();
}

function rescale(plot: uPlot, zoom: readonly [number, number] | null): void {
  const xs = plot.data[0];
  const [low, high] = zoom ?? [xs[0] ?? 0, xs.at(-1) ?? 1];
  plot.setScale("x", { min: low, max: high > low ? high : low + 1 });
}

function options(
  element: HTMLElement,
  drawn: readonly Drawn[],
  latest: { current: Props },
  setHover: (hover: Hover | null) => void,
): uPlot.Options {
  const { axis, log, height } = latest.current;
  const colours = getComputedStyle(element);
  const look = {
    stroke: colours.color,
    font: "11px system-ui, sans-serif",
    grid: { stroke: colours.borderTopColor, width: 1 },
    ticks: { stroke: colours.borderTopColor, width: 1, size: 4 },
  };
  return {
    width: element.clientWidth,
    height,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    focus: { alpha: 0.25 },
    scales: {
      x: { time: axis === "time", auto: false },
      y: log ? { distr: 3 } : { range: (_, low, high) => spread(low, high) },
    },
    axes: [
      { ...look, size: 28, gap: 4, ...(axis === "time" ? {} : { values: (_, splits) => splits.map((x) => tick(axis, x)) }) },
      { ...look, size: 58, gap: 4, values: (_, splits) => splits.map((y) => (y === null ? "" : scaleMark(latest.current.name, y))) },
    ],
    series: [
      {},
      ...drawn.map((each) => ({
        label: each.name,
        stroke: each.colour + LOOKS[each.kind].alpha,
        width: LOOKS[each.kind].width,
        dash: each.kind === "tail" ? [3, 4] : each.dash,
        points: { show: each.kind === "line" && each.x.length < 2 },
      })),
    ],
    bands: bandsOf(drawn),
    cursor: {
      sync: { key: SYNC.key, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { show: false },
      bind: { dblclick: () => () => (latest.current.onZoom(null), null) },
    },
    hooks: {
      drawAxes: [(plot) => drawAttempts(plot, latest.current.lines)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          latest.current.onZoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      setCursor: [
        (plot) => {
          const own = plot.cursor.event && (plot.cursor.left ?? -1) >= 0;
          setHover(own ? hovered(plot, drawn) : null);
        },
      ],
    },
  };
}

function spread(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 && low - margin < 0 ? 0 : low - margin, high + margin];
}

function tick(axis: Axis, x: number): string {
  return axis === "relative" ? duration(x).replace(".0", "") : x >= 10_000 ? `${plain(x / 1000)}k` : plain(x);
}

function scaleMark(name: string, y: number): string {
  if (name.endsWith("_bytes")) return size(y);
  return isRate(name) ? `${plain(y * 100)} %` : plain(y);
}

function hovered(plot: uPlot, drawn: readonly Drawn[]): Hover | null {
  const index = plot.cursor.idx;
  if (index === null || index === undefined) return null;
  const rows = drawn.flatMap((each, i) => {
    const value = each.kind !== "line" ? null : nearest(plot.data[i + 1]!, index);
    return value === null ? [] : [{ name: each.name, colour: each.colour, value, run: each.run }];
  });
  rows.sort((a, b) => b.value - a.value);
  return { left: plot.cursor.left!, top: plot.cursor.top!, x: plot.data[0]![index]!, rows: rows.slice(0, MOST_ROWS) };
}

/** The line's value at the cursor, or at its nearest point: lines need not share their steps. */
function nearest(values: ArrayLike<number | null | undefined>, index: number): number | null {
  for (let away = 0; away < values.length; away += 1) {
    const value = values[index - away] ?? values[index + away];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

function Tip({ hover, name, axis, highlighted }: { hover: Hover; name: string; axis: Axis; highlighted: string | null }) {
  const at = axis === "step" || axis === "epoch" ? `${axis} ${plain(hover.x)}` : axis === "relative" ? duration(hover.x) : new Date(hover.x * 1000).toLocaleTimeString();
  return (
    <div class={`tip${hover.left > 180 ? " left" : ""}`} style={{ left: `${hover.left + 58}px`, top: `${Math.max(0, hover.top - 20)}px` }}>
      <div class="quiet">{at}</div>
      {hover.rows.map((row) => (
        <div key={row.run} class={row.run === highlighted ? "lit" : ""}>
          <i style={{ background: row.colour }} /><b>{metric(name, row.value)}</b> {row.name}
        </div>
      ))}
    </div>
  );
}
