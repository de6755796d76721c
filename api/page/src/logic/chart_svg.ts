/** A chart as a drawing that stands alone, for papers and slides: light, with axes and a legend. */
import type { Axis, Band } from "./curves";
import { duration, isRate, plain } from "./format";

interface Points {
  x: readonly number[];
  y: readonly (number | null)[];
}

export interface DrawnLine extends Points {
  name: string;
  colour: string;
  dash: readonly number[];
  /** Drawn faintly behind: what smoothing hides. */
  raw?: Points | null;
  /** Between what values it varies. */
  band?: Band | null;
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
  const { name, about, lines, axis } = drawing;
  const height = heightOf(drawing);
  const scales = scalesOf(drawing);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#3a4149">`,
    `<title>${text(name)}</title><desc>${text(about)}</desc>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${PLOT.left}" y="24" font-size="15" font-weight="600" fill="#1d2126">${text(name)}</text>`,
    ...axes(drawing, scales),
    `<text x="${PLOT.right}" y="${PLOT.bottom + 32}" text-anchor="end">${AXES[axis]}</text>`,
    `<g fill="none" stroke-linejoin="round" stroke-linecap="round">${lines.flatMap((line) => curves(line, scales)).join("")}</g>`,
    `<path d="M${PLOT.left} ${PLOT.top}V${PLOT.bottom}H${PLOT.right}" fill="none" stroke="#9aa1ac"/>`,
    `<g>${legend(lines).join("")}</g>`,
    "</svg>",
  ].join("\n");
}

const AXES: Record<Axis, string> = { step: "step", epoch: "epoch", relative: "time since start", time: "time of day" };

/** From values to places in the drawing; x and y: the marks of the axes. */
interface Scales {
  left: (x: number) => number;
  up: (y: number) => number;
  shows: (x: number, y: number | null | undefined) => y is number;
  x: number[];
  y: number[];
}

function scalesOf({ lines, log, zoom }: Drawing): Scales {
  const shows = (x: number, y: number | null | undefined): y is number => typeof y === "number" && (!zoom || (x >= zoom[0] && x <= zoom[1])) && (!log || y > 0);
  const bands = lines.flatMap(({ band }): Points[] => (band ? [{ x: band.x, y: band.low }, { x: band.x, y: band.high }] : []));
  const ys = [...lines, ...bands].flatMap((line: Points) => line.y.filter((y, i): y is number => shows(line.x[i]!, y)));
  const [begin, end] = zoom ?? extent(lines.flatMap((line) => line.x));
  const [low, high] = extent(log ? ys.map(Math.log10) : ys);
  const margin = (high - low) * 0.05;
  const [bottom, top] = [low - margin, high + margin];
  return {
    left: (x) => round(PLOT.left + ((x - begin) / (end - begin)) * (PLOT.right - PLOT.left)),
    up: (y) => round(PLOT.bottom - (((log ? Math.log10(y) : y) - bottom) / (top - bottom)) * (PLOT.bottom - PLOT.top)),
    shows,
    x: ticks(begin, end),
    y: ticks(bottom, top).map((y) => (log ? 10 ** y : y)),
  };
}

function axes({ name, axis }: Drawing, { left, up, x: xs, y: ys }: Scales): string[] {
  return [
    ...xs.map((x) => `<path d="M${left(x)} ${PLOT.top}V${PLOT.bottom}" stroke="#e4e6ea"/><text x="${left(x)}" y="${PLOT.bottom + 17}" text-anchor="middle">${text(markX(axis, x))}</text>`),
    ...ys.map((y) => `<path d="M${PLOT.left} ${up(y)}H${PLOT.right}" stroke="#e4e6ea"/><text x="${PLOT.left - 7}" y="${up(y) + 4}" text-anchor="end">${text(markY(name, y))}</text>`),
  ];
}

/** A line, and behind it what it varies between and what smoothing hides. */
function curves(line: DrawnLine, scales: Scales): string[] {
  const colour = text(line.colour);
  return [
    ...(line.band ? [`<path d="${around(line.band, scales)}" fill="${colour}" fill-opacity="0.16"/>`] : []),
    ...(line.raw ? [`<path d="${along(line.raw, scales)}" stroke="${colour}" stroke-opacity="0.22"/>`] : []),
    `<path d="${along(line, scales)}" stroke="${colour}" stroke-width="1.8"${dashes(line)}><title>${text(line.name)}</title></path>`,
  ];
}

function legend(lines: readonly DrawnLine[]): string[] {
  const named = lines.slice(0, MOST_IN_LEGEND).map((line, i) => {
    const y = PLOT.bottom + 48 + i * LEGEND_LINE;
    return `<path d="M${PLOT.left} ${y - 4}h22" stroke="${text(line.colour)}" stroke-width="2.4"${dashes(line)}/><text x="${PLOT.left + 30}" y="${y}">${text(line.name)}</text>`;
  });
  const more = lines.length - named.length;
  return more ? [...named, `<text x="${PLOT.left + 30}" y="${PLOT.bottom + 48 + named.length * LEGEND_LINE}">and ${more} more</text>`] : named;
}

function dashes({ dash }: DrawnLine): string {
  return dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : "";
}

/** Through the points, broken at gaps; a point alone is a dot. */
function along({ x: xs, y: ys }: Points, { left, up, shows }: Scales): string {
  let path = "";
  let pen = "M";
  xs.forEach((x, i) => {
    const y = ys[i];
    if (!shows(x, y)) return void (pen = "M");
    path += `${pen}${left(x)} ${up(y)}${pen === "M" ? "h0" : ""}`;
    pen = "L";
  });
  return path;
}

function around(band: Band, { left, up, shows }: Scales): string {
  const seen = band.x.flatMap((x, i) => (shows(x, band.low[i]) && shows(x, band.high[i]) ? [i] : []));
  const edge = (values: readonly number[]) => seen.map((i) => `${left(band.x[i]!)} ${up(values[i]!)}`);
  return seen.length ? `M${[...edge(band.low), ...edge(band.high).reverse()].join("L")}Z` : "";
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
