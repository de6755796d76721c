/** A run as charts need it. */
import type { Run } from "./api";

export interface ShownRun {
  id: string;
  name: string;
  status: string;
  /** Seconds since 1970. */
  started: number;
}

export function shownRun(run: Run): ShownRun {
  return { id: run.id, name: run.name, status: run.status, started: Date.parse(run.started_at ?? run.created_at) / 1000 };
}
