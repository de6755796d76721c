/** Reports as the API has them, and what is downloaded of them. */
import { get } from "./api";
import type { Sheet, SheetCell } from "./exports";
import { moment } from "./format";

export interface ReportHead {
  id: string;
  revision: number;
  title: string;
  as_of: string | null;
  saved_at: string;
  saved_by: string | null;
  saved_by_label: string | null;
}

export interface Report extends ReportHead {
  body: string;
  newest: number;
  created_at: string;
  moments: Record<string, string>;
  vector: string;
}

export interface RevisionHead extends ReportHead {
  characters: number;
}

/** The position of everything that is there now. */
export async function positionNow(): Promise<string> {
  return (await get<{ vector: string }>("/reports", { limit: 1 })).vector;
}

export function saverOf(report: ReportHead): string {
  return report.saved_by_label || report.saved_by || "somebody";
}

/** When a position was, as people read it; a vector that nobody has dated is only called one. */
export function positionText(position: string, moments: Readonly<Record<string, string>>): string {
  if (moments[position]) return moment(moments[position]);
  return position.length > 40 ? "an earlier position" : position;
}

/** A text in which Markdown finds no mark-up, on one line. */
export function marked(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*_[\]<>|#~]/g, "\\$&");
}

function shown(cell: SheetCell | undefined): string {
  if (cell === null || cell === undefined) return "";
  if (typeof cell !== "object") return marked(String(cell));
  return cell.best ? `**${marked(cell.text)}**` : marked(cell.text);
}

/** A table as Markdown, with a line that says what it was made from. */
export function tableText(sheet: Sheet): string {
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    row(sheet.columns.map((each) => marked(each.title))),
    row(sheet.columns.map((each) => (each.numeric ? "---:" : "---"))),
    ...sheet.rows.map((cells) => row(sheet.columns.map((_, i) => shown(cells[i])))),
    "",
    `*${marked([sheet.name, ...sheet.notes, `vector ${sheet.vector}`].filter(Boolean).join("; "))}*`,
    "",
  ].join("\n");
}

/** The report as one file, panels as what they show. texts: of each panel, by its line. */
export function frozenText(report: Pick<Report, "title" | "body">, panels: readonly { line: number; length: number }[], texts: ReadonlyMap<number, string>): string {
  const lines = report.body.split("\n");
  for (const { line, length } of [...panels].reverse()) {
    const text = texts.get(line);
    if (text !== undefined) lines.splice(line - 1, length, ...text.trimEnd().split("\n"));
  }
  return `# ${marked(report.title)}\n\n${lines.join("\n").trim()}\n`;
}
