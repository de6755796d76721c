/** What somebody has written and not saved yet, kept in this browser in case it is closed. */

export interface Draft {
  title: string;
  body: string;
  as_of: string | null;
  /** The revision that it changes; 0: of a new report. */
  based_on: number;
}

const KEPT = "tracker-draft ";

export function draftOf(id: string): Draft | null {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT + id) ?? "null") as Draft | null;
    return found && typeof found.title === "string" && typeof found.body === "string" && typeof found.based_on === "number" ? found : null;
  } catch {
    return null;
  }
}

export function keepDraft(id: string, draft: Draft | null): void {
  try {
    if (draft) localStorage.setItem(KEPT + id, JSON.stringify(draft));
    else localStorage.removeItem(KEPT + id);
  } catch {
    // A browser that keeps nothing still asks before it is closed.
  }
}

export function differs(draft: Draft, saved: Omit<Draft, "based_on">): boolean {
  return draft.title !== saved.title || draft.body !== saved.body || draft.as_of !== saved.as_of;
}
