/** Tables for papers and programs: CSV with full numbers, LaTeX as people read them; both say what they were made from. */
import { shownMoment } from "./route";

/** What is read, and the number behind it; a text or number alone is both. */
export type SheetCell = string | number | null | { text: string; value: string | number | null; best?: boolean };

export interface Sheet {
  name: string;
  /** Further facts that the numbers stand on: `profile basic-wer`. */
  notes: readonly string[];
  vector: string;
  columns: readonly { title: string; numeric?: boolean }[];
  rows: readonly (readonly SheetCell[])[];
}

/** One line: what, on which facts, at which position of the log, when it was exported, and where it is seen. */
export function origin({ name, notes, vector }: Pick<Sheet, "name" | "notes" | "vector">, now = new Date(), place = address()): string {
  const parts = [name, ...notes, `vector ${vector}`, `exported ${now.toISOString().slice(0, 19)}Z`, place];
  return parts.filter(Boolean).join("; ").replace(/\s+/g, " ");
}

/** The view without its moment, which the vector says better, nor the link by which it was opened. */
function address(): string {
  if (typeof location === "undefined") return "";
  const url = new URL(location.href);
  for (const name of ["as_of", "share"]) url.searchParams.delete(name);
  return url.href + (shownMoment() ? " (the past)" : "");
}

export function csv(sheet: Sheet, about = origin(sheet)): string {
  const lines = [sheet.columns.map((each) => each.title), ...sheet.rows.map((row) => row.map(valueOf))];
  return [`# ${about}`, ...lines.map((line) => line.map(field).join(","))].join("\r\n") + "\r\n";
}

function valueOf(cell: SheetCell): string | number | null {
  return cell !== null && typeof cell === "object" ? cell.value : cell;
}

function field(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  // A spreadsheet would take such a name for a formula, and run it.
  const safe = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe.startsWith("#") ? `"${safe.replace(/"/g, '""')}"` : safe;
}

/** A tabular for the package booktabs. */
export function latex(sheet: Sheet, about = origin(sheet)): string {
  const line = (cells: readonly string[]) => `${cells.join(" & ")} \\\\`;
  return [
    `% ${about}`,
    "% \\usepackage{booktabs}",
    `\\begin{tabular}{${sheet.columns.map((each) => (each.numeric ? "r" : "l")).join("")}}`,
    "\\toprule",
    line(sheet.columns.map((each) => escaped(each.title))),
    "\\midrule",
    ...sheet.rows.map((row) => line(row.map(shown))),
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
}

function shown(cell: SheetCell): string {
  if (cell === null) return "";
  if (typeof cell !== "object") return escaped(String(cell));
  const text = escaped(cell.text);
  return cell.best ? `\\textbf{${text}}` : text;
}

const SIGNS: Record<string, string> = {
  "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#", _: "\\_", "%": "\\%",
  "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", '"': "\\textquotedbl{}",
  "–": "--", "—": "---", "−": "$-$", "±": "$\\pm$", "∞": "$\\infty$", "→": "$\\rightarrow$", "≠": "$\\neq$", "\u00a0": "~", "\u202f": "\\,", "…": "\\ldots{}",
};

/** As LaTeX prints it; a text never becomes a command. */
export function escaped(text: string): string {
  const signs = text.replace(/[\t\r\n ]+/g, " ").replace(/ %/g, "\u202f%"); // per cent stand close to their number
  return signs.replace(/[\\{}$&#_%~^<>|"–—−±∞→≠\u00a0\u202f…]/g, (sign) => SIGNS[sign]!);
}

/** Hands a file to the browser. */
export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A name that every file system takes. */
export function fileName(name: string, kind: string): string {
  const plain = name.normalize("NFKD").replace(/[^\w.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 80);
  return `${plain || "export"}.${kind}`;
}
