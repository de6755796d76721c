/** What of an artifact can be looked at, by what it says it is. Nothing of it is ever run. */

export interface Artifact {
  id: string;
  path: string;
  type: string;
  size_bytes: number;
  sha256: string;
  content_type: string;
  storage: { kind?: string; uri?: string };
  step: number | null;
  epoch: number | null;
  version: number;
  created_at: string;
}

export type Preview = "image" | "audio" | "json" | "table" | "text" | "reference" | "none";

const TEXTS = /\.(txt|md|log|ya?ml|toml|ini|cfg|conf|py|sh|html?|xml|trn|ctm|stm|rttm|scp|dot|tex|jsonl|ndjson|diff|patch)$/i;

export function previewOf({ content_type, path, storage }: Pick<Artifact, "content_type" | "path" | "storage">): Preview {
  const kind = content_type.split(";")[0]!.trim().toLowerCase();
  if (storage.kind === "reference") return "reference";
  if (/^image\/(png|jpeg|webp|gif|svg\+xml)$/.test(kind)) return "image";
  if (kind.startsWith("audio/")) return "audio";
  if (/\.(csv|tsv)$/i.test(path) || /^text\/(csv|tab-separated-values)$/.test(kind)) return "table";
  if (kind === "application/json" || /\.json$/i.test(path)) return "json";
  return kind.startsWith("text/") || /^application\/(yaml|x-yaml|xml|toml|x-sh)$/.test(kind) || TEXTS.test(path) ? "text" : "none";
}

/** The first rows of a table, with their cells; a last row that was cut off is left out. */
export function rowsOf(text: string, separator: string, most: number, whole: boolean): string[][] {
  const rows: string[][] = [];
  let [row, cell, quoted] = [[] as string[], "", false];
  const end = () => {
    row.push(cell);
    rows.push(row);
    [row, cell] = [[], ""];
  };
  for (let i = 0; i < text.length && rows.length < most; i += 1) {
    const letter = text[i]!;
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === separator) {
      row.push(cell);
      cell = "";
    } else if (letter === "\n") end();
    else if (letter !== "\r") cell += letter;
  }
  if (whole && rows.length < most && (cell || row.length)) end();
  return rows;
}

const LINE = 100;

/** A list of plain values that fits a line stands on one: a matrix looks like one. */
export function indentedJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (list, values: string) => {
    const line = `[${values.replace(/\n\s+/g, " ")}]`;
    return line.length <= LINE ? line : list;
  });
}
