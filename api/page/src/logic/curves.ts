/** Curves between the API and the chart: axes, smoothing, live points, one table of x for all lines. */
import { number, type Curve } from "./api";

export type Axis = "step" | "epoch" | "time" | "relative";

export interface Line {
  run: string;
  x: number[];
  y: (number | null)[];
}

/** Between what values a line varies, over x of its own. */
export interface Band {
  x: number[];
  low: number[];
  high: number[];
}

/** A curve on its axis, in ascending x; a value that is no number is a gap. */
export function lineOf(run: string, curve: Curve, axis: Axis): Line {
  const raw = axis === "step" ? curve.step : axis === "epoch" ? (curve.epoch ?? []) : curve.time;
  const points: [number, number | null][] = [];
  for (let i = 0; i < raw.length; i += 1) {
    if (typeof raw[i] === "string") continue; // a point without an epoch has no place there
    const value = number(curve.value[i]);
    points.push([(raw[i] as number | null) ?? i, value !== null && Number.isFinite(value) ? value : null]);
  }
  for (let i = 1; i < points.length; i += 1) {
    if (points[i]![0] < points[i - 1]![0]) {
      points.sort((a, b) => a[0] - b[0]);
      break;
    }
  }
  return { run, x: points.map((point) => point[0]), y: points.map((point) => point[1]) };
}

/**
 * An exponential moving average without the pull towards zero at its beginning. A point far behind the
 * one before weighs as all the points that thinning took from between them would.
 */
export function smoothed(line: Line, weight: number): Line {
  if (!(weight > 0) || line.x.length < 3) return line;
  const spans = line.x.slice(1).map((x, i) => x - line.x[i]!).filter((span) => span > 0).sort((a, b) => a - b);
  const usual = spans[spans.length >> 1] || 1;
  let sum = 0;
  let share = 0;
  let before: number | null = null;
  const y = line.y.map((value, i) => {
    if (value === null) return null;
    const x = line.x[i]!;
    const kept: number = before === null ? 0 : weight ** Math.max(0.1, (x - before) / usual);
    before = x;
    sum = sum * kept + value * (1 - weight);
    share = share * kept + (1 - weight);
    return sum / share;
  });
  return { ...line, y };
}

const BUCKETS = 160;

/** The least and the largest value of each of many equal parts of the axis; null of a line with few points, which is its own band. */
export function bandOf(line: Line): Band | null {
  if (line.x.length < 2 * BUCKETS) return null;
  const [first, last] = [line.x[0]!, line.x.at(-1)!];
  const width = (last - first) / BUCKETS || 1;
  const band: Band = { x: [], low: [], high: [] };
  let bucket = -1;
  line.y.forEach((y, i) => {
    if (y === null) return;
    const place = Math.min(BUCKETS - 1, Math.floor((line.x[i]! - first) / width));
    if (place !== bucket) {
      bucket = place;
      band.x.push(first + (place + 0.5) * width);
      band.low.push(y);
      band.high.push(y);
    }
    const at = band.x.length - 1;
    band.low[at] = Math.min(band.low[at]!, y);
    band.high[at] = Math.max(band.high[at]!, y);
  });
  return band;
}

const GRID = 400;

/** Several runs as one line: their mean, and between what values they are. Each counts from its first point to its last. */
export function together(name: string, lines: readonly Line[]): { line: Line; band: Band } {
  const xs = Float64Array.from(new Set(lines.flatMap((line) => line.x))).sort();
  const every = Math.max(1, Math.ceil(xs.length / GRID));
  const grid = Array.from(xs).filter((_, i) => i % every === 0 || i === xs.length - 1);
  const columns = lines.map((line) => interpolated(line, grid));
  const band: Band = { x: [], low: [], high: [] };
  const line: Line = { run: name, x: [], y: [] };
  grid.forEach((x, i) => {
    const values = columns.flatMap((column) => (column[i] === null ? [] : [column[i]!]));
    if (!values.length) return;
    line.x.push(x);
    line.y.push(values.reduce((sum, each) => sum + each, 0) / values.length);
    band.x.push(x);
    band.low.push(Math.min(...values));
    band.high.push(Math.max(...values));
  });
  return { line, band };
}

function interpolated(line: Line, grid: readonly number[]): (number | null)[] {
  const points = line.x.flatMap((x, i) => (line.y[i] === null ? [] : [[x, line.y[i]!] as const]));
  let place = 0;
  return grid.map((x) => {
    while (place < points.length - 1 && points[place + 1]![0] <= x) place += 1;
    const [before, next] = [points[place], points[place + 1]];
    if (!before || x < before[0]) return null;
    if (x === before[0]) return before[1];
    return next ? before[1] + ((next[1] - before[1]) * (x - before[0])) / (next[0] - before[0]) : null;
  });
}

/** A curve's own points, and what each attempt left behind; resumed: when the later attempts began, on the curve's clock. */
export function parted(curve: Curve, resumed: readonly number[]): { kept: Curve; abandoned: Curve[] } {
  const flags = curve.abandoned;
  if (!flags?.includes(true)) return { kept: curve, abandoned: [] };
  const kept: number[] = [];
  const tails = new Map<number, number[]>();
  flags.forEach((left, i) => {
    const attempt = left ? resumed.filter((time) => time <= curve.time[i]!).length : -1;
    if (left) tails.set(attempt, [...(tails.get(attempt) ?? []), i]);
    else kept.push(i);
  });
  return { kept: some(curve, kept), abandoned: [...tails.values()].map((places) => some(curve, places)) };
}

function some(curve: Curve, places: readonly number[]): Curve {
  return {
    step: places.map((i) => curve.step[i]!),
    value: places.map((i) => curve.value[i]!),
    time: places.map((i) => curve.time[i]!),
    ...(curve.epoch ? { epoch: places.map((i) => curve.epoch![i]!) } : {}),
  };
}

/** With the points that came live, as far as they are newer than what is there. */
export function extended(curve: Curve | undefined, live: Curve): Curve {
  if (!curve) return live;
  const last = curve.step.at(-1) ?? null;
  const lastTime = curve.time.at(-1) ?? -Infinity;
  const fresh = live.step.flatMap((step, i) => {
    const newer = step === null || last === null ? live.time[i]! > lastTime : step > last;
    return newer ? [i] : [];
  });
  if (!fresh.length) return curve;
  return {
    step: [...curve.step, ...fresh.map((i) => live.step[i]!)],
    value: [...curve.value, ...fresh.map((i) => live.value[i]!)],
    time: [...curve.time, ...fresh.map((i) => live.time[i]!)],
    ...(curve.abandoned ? { abandoned: [...curve.abandoned, ...fresh.map(() => false)] } : {}),
  };
}

/** All lines over one ascending x, as the chart wants them: undefined where a line has no point. */
export function aligned(lines: readonly Line[]): (number | null | undefined)[][] {
  const xs = new Set<number>();
  for (const line of lines) for (const x of line.x) xs.add(x);
  const shared = Float64Array.from(xs).sort();
  const columns: (number | null | undefined)[][] = [Array.from(shared)];
  for (const line of lines) {
    const column = new Array<number | null | undefined>(shared.length).fill(undefined);
    let place = 0;
    for (let i = 0; i < line.x.length; i += 1) {
      while (shared[place]! < line.x[i]!) place += 1;
      column[place] = line.y[i];
    }
    columns.push(column);
  }
  return columns;
}

/** Panels in the order that people look: validation and error rates, then training, then what is left. */
export function panelOrder(keys: Iterable<string>): string[] {
  const weight = (key: string) =>
    /(^|[_/.])(val|dev|valid|eval|test)/i.test(key) ? 0 : /loss|wer|cer|acc/i.test(key) ? 1 : /^(system|sys|gpu|cpu)[/._]/i.test(key) ? 3 : 2;
  return [...new Set(keys)].sort((a, b) => weight(a) - weight(b) || a.localeCompare(b));
}
