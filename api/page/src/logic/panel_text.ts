/** A panel of a report as its Markdown has it: a fenced block of `key: value` lines. */

export type PanelKind = "leaderboard" | "runs" | "chart" | "matrix" | "alignment";

export interface PanelText {
  kind: PanelKind;
  /** In the order in which they are written; what is empty is left out, and lists have their commas. */
  values: Record<string, string | readonly string[] | null | undefined>;
}

export function panelText({ kind, values }: PanelText): string {
  const lines = Object.entries(values).flatMap(([key, value]) => {
    const text = typeof value === "string" || !value ? value : value.map((each) => each.replace(/[%,]/g, encodeURIComponent)).join(", ");
    return text ? [`${key}: ${text.replace(/\s+/g, " ").trim()}`] : [];
  });
  return ["```" + kind, ...lines, "```", ""].join("\n");
}
