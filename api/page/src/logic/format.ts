/** Values as people read them: error rates in per cent, few digits, times in the viewer's zone. */
import { number, type Numeric } from "./api";

const RATES = new Set("wer cer mer ser wil wip per ter der jer eer far frr accuracy acc f1 precision recall".split(" "));

/** Whether a metric is a fraction that people read in per cent: val_wer, librispeech-test-clean_cer; not errors_so_far. */
export function isRate(metric: string): boolean {
  const words = metric.toLowerCase().split(/[_/.\s]/);
  return RATES.has(words.at(-1) ?? "") && words.slice(-2).join(" ") !== "so far";
}

export function metric(name: string, value: Numeric | undefined): string {
  const given = number(value);
  if (given === null) return "";
  if (name.endsWith("_bytes") && given >= 0) return size(given);
  if (!isRate(name) || !Number.isFinite(given)) return plain(given);
  return `${(given * 100).toFixed(2)} %`;
}

/** At most four significant digits; whole numbers as they are. */
export function plain(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return grouped(value);
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(2);
  return size >= 1000 ? grouped(Math.round(value)) : String(Number(value.toPrecision(4)));
}

function grouped(value: number): string {
  return Math.abs(value) < 10_000 ? String(value) : value.toLocaleString("en").replace(/,/g, "\u202f");
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A real-time factor: 12.88, 0.13, 0.0046. */
export function realTime(factor: number | null): string {
  if (factor === null) return "–";
  return factor < 0.1 ? String(Number(factor.toPrecision(2))) : factor.toFixed(2);
}

/** A short time: whole milliseconds, then seconds. */
export function latency(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds < 10 ? Number(milliseconds.toFixed(1)) : Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;
}

/** The settings of a decoding as the server writes them, so that lines break between them and not within. */
export function settings(decoding: string): string {
  return decoding.replace(/,(?=\w+=)/g, ", ").replace(/=(-?\d+\.\d{4,}(?:e-?\d+)?)(?=,|$)/g, (_, value: string) => `=${Number(Number(value).toPrecision(4))}`);
}

export function moment(text: string | null | undefined): string {
  if (!text) return "";
  const time = new Date(text);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

export function ago(text: string | null | undefined, now = Date.now()): string {
  if (!text) return "";
  const seconds = Math.max(0, (now - new Date(text).getTime()) / 1000);
  if (seconds < 45) return "just now";
  if (seconds < 86_400 * 2) return `${duration(seconds)} ago`.replace(/ \d+ min ago/, (rest) => (seconds < 3_600 ? rest : " ago"));
  return seconds < 86_400 * 60 ? `${Math.round(seconds / 86_400)} days ago` : moment(text).slice(0, 10);
}

export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

export function anything(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return plain(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
