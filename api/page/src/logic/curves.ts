/** Curves between the API and the chart: axes, smoothing, live points, one table of x for all lines. */
import { number, type Curve } from "./api";

export type Axis = "step" | "time" | "relative";

export interface Line {
  run: string;
  x: number[];
  y: (number | null)[];
}

/** A curve on its axis, in ascending x; a value that is no number is a gap. */
export function lineOf(run: string, curve: Curve, axis: Axis): Line {
  const raw = axis === "step" ? curve.step : curve.time;
  const points: [number, number | null][] = [];
  for (let i = 0; i < raw.length; i += 1) {
    const value = number(curve.value[i]);
    points.push([raw[i] ?? i, value !== null && Number.isFinite(value) ? value : null]);
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
