/** A chart as a drawing that stands alone, for papers and slides: light, with axes and a legend. */
import type { Axis } from "./curves";
import { duration, isRate, plain } from "./format";

export interface DrawnLine {
  name: string;
  colour: string;
  dash: readonly number[];
  x: readonly number[];
  y: readonly (number | null)[];
  /** Drawn faintly behind: what smoothing hides. */
  raw?: { x: readonly number[]; y: readonly (number | null)[] } | null;
}

export interface Drawing {
  name: string;
  about: string;
  lines: readonly DrawnLine[];
  axis: Axis;
  log: boolean;
  zoom: readonly [number, number] | null;
}

export const WIDTH = 720;
const PLOT = { left: 64, right: WIDTH - 16, top: 40, bottom: 360 };
const LEGEND_LINE = 18;
const MOST_IN_LEGEND = 24;

export function heightOf(drawing: Drawing): number {
  const named = Math.min(drawing.lines.length, MOST_IN_LEGEND) + (drawing.lines.length > MOST_IN_LEGEND ? 1 : 0);
  return PLOT.bottom + 44 + named * LEGEND_LINE + 8;
}

export function svg(drawing: Drawing): string {
  const { name, about, lines, axis, log, zoom } = drawing;
  const inside = (x: number) => !zoom || (x >= zoom[0] && x <= zoom[1]);
  const xs = zoom ?? extent(lines.flatMap((line) => line.x));
  const ys = lines.flatMap((line) => line.y.filter((y, i): y is number => y !== null && inside(line.x[i]!) && (!log || y > 0)));
  const [low, high] = extent(log ? ys.map(Math.log10) : ys);
  const margin = (high - low) * 0.05;
  const [bottom, top] = [low - margin, high + margin];
  const left = (x: number) => PLOT.left + ((x - xs[0]) / (xs[1] - xs[0])) * (PLOT.right - PLOT.left);
  const up = (y: number) => PLOT.bottom - (((log ? Math.log10(y) : y) - bottom) / (top - bottom)) * (PLOT.bottom - PLOT.top);
  const path = (line: { x: readonly number[]; y: readonly (number | null)[] }) => pathOf(line, left, up, inside, log);

  const height = heightOf(drawing);
  const marksX = ticks(xs[0], xs[1]).map((x) => `<g><path d="M${round(left(x))} ${PLOT.top}V${PLOT.bottom}" stroke="#e4e6ea"/><text x="${round(left(x))}" y="${PLOT.bottom + 17}" text-anchor="middle">${text(markX(axis, x))}</text></g>`);
  const marksY = ticks(bottom, top).map((y) => (log ? 10 ** y : y)).map((y) => `<g><path d="M${PLOT.left} ${round(up(y))}H${PLOT.right}" stroke="#e4e6ea"/><text x="${PLOT.left - 7}" y="${round(up(y) + 4)}" text-anchor="end">${text(markY(name, y))}</text></g>`);
  const curves = lines.flatMap((line) => [
    ...(line.raw ? [`<path d="${path(line.raw)}" stroke="${text(line.colour)}" stroke-opacity="0.22"/>`] : []),
    `<path d="${path(line)}" stroke="${text(line.colour)}" stroke-width="1.8"${line.dash.length ? ` stroke-dasharray="${line.dash.join(" ")}"` : ""}><title>${text(line.name)}</title></path>`,
  ]);
  const legend = lines.slice(0, MOST_IN_LEGEND).map((line, i) => {
    const y = PLOT.bottom + 48 + i * LEGEND_LINE;
    return `<path d="M${PLOT.left} ${y - 4}h22" stroke="${text(line.colour)}" stroke-width="2.4"${line.dash.length ? ` stroke-dasharray="${line.dash.join(" ")}"` : ""}/><text x="${PLOT.left + 30}" y="${y}">${text(line.name)}</text>`;
  });
  if (lines.length > MOST_IN_LEGEND) legend.push(`<text x="${PLOT.left + 30}" y="${PLOT.bottom + 48 + MOST_IN_LEGEND * LEGEND_LINE}">and ${lines.length - MOST_IN_LEGEND} more</text>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#3a4149">`,
    `<title>${text(name)}</title><desc>${text(about)}</desc>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${PLOT.left}" y="24" font-size="15" font-weight="600" fill="#1d2126">${text(name)}</text>`,
    ...marksX, ...marksY,
    `<text x="${PLOT.right}" y="${PLOT.bottom + 32}" text-anchor="end">${AXES[axis] ?? axis}</text>`,
    `<g fill="none" stroke-linejoin="round" stroke-linecap="round">${curves.join("")}</g>`,
    `<path d="M${PLOT.left} ${PLOT.top}V${PLOT.bottom}H${PLOT.right}" fill="none" stroke="#9aa1ac"/>`,
    `<g>${legend.join("")}</g>`,
    "</svg>",
  ].join("\n");
}

const AXES: Partial<Record<Axis, string>> = { step: "step", relative: "time since start", time: "time of day" };

function pathOf(line: { x: readonly number[]; y: readonly (number | null)[] }, left: (x: number) => number, up: (y: number) => number, inside: (x: number) => boolean, log: boolean): string {
  let path = "";
  let pen = "M";
  for (let i = 0; i < line.x.length; i += 1) {
    const [x, y] = [line.x[i]!, line.y[i]];
    if (y === null || y === undefined || !inside(x) || (log && y <= 0)) {
      pen = "M";
      continue;
    }
    path += `${pen}${round(left(x))} ${round(up(y))}${pen === "M" ? "h0" : ""}`; // a point alone is a dot
    pen = "L";
  }
  return path;
}

function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  return low === high ? [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2] : [low, high];
}

/** Round numbers from low to high, about six of them. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough)!;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function markX(axis: Axis, x: number): string {
  if (axis === "relative") return duration(x).replace(".0", "");
  return axis === "time" ? new Date(x * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : plain(x);
}

function markY(name: string, y: number): string {
  return isRate(name) ? `${plain(Number((y * 100).toPrecision(4)))} %` : plain(Number(y.toPrecision(4)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A text, which never becomes an element or an attribute; what XML has no sign for is left out. */
function text(value: string): string {
  const signs: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return value.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").replace(/[&<>"']/g, (sign) => signs[sign]!);
}
