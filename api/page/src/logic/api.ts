/** The public API, as the page asks it: JSON, errors as problems that say what to do. */

import { shownShare } from "./route";

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly field = "",
    readonly position: number | null = null,
    readonly hint = "",
    readonly requestId = "",
    /** When what was asked for ended. */
    readonly expires = "",
  ) {
    super(detail);
  }
}

const UNREACHABLE = "The server cannot be reached. See whether it runs (speech-tracker status); this page tries again when you reload it.";

type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export function path(base: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const share = shownShare();
  if (share) parameters.set("share", share);
  const text = parameters.toString();
  return `/api/v1${base}${text ? `?${text}` : ""}`;
}

const LOOKING_MS = 100;

let signedOut = () => {};

/** Called when the server knows the session no more. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

export async function get<T>(base: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const answer = await reach(path(base, query), { signal });
  if (answer.ok) return (await answer.json()) as T;
  const problem = await problemOf(answer);
  if (problem.status === 401) signedOut();
  throw problem;
}

export async function send<T>(method: "POST" | "PUT" | "DELETE", base: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { "X-Tracker-Page": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await reach(path(base), { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (!answer.ok) throw await problemOf(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

let open = 0;

/** How many questions have no answer yet; that there are some is marked on the document, for the line that says so. */
function count(change: 1 | -1): void {
  open += change;
  document.documentElement.toggleAttribute("data-asking", open > 0);
}

async function reach(url: string, options: RequestInit): Promise<Response> {
  count(1);
  try {
    return await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Problem(0, UNREACHABLE);
  } finally {
    count(-1);
  }
}

/** Comes when nothing is being asked any more, at most so many milliseconds later. */
export async function answered(most: number): Promise<void> {
  const end = performance.now() + most;
  do await new Promise((done) => setTimeout(done, LOOKING_MS));
  while (open > 0 && performance.now() < end);
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const told = await answer.json();
    const detail = told.detail || told.title || answer.statusText;
    return new Problem(answer.status, detail, told.field, told.position ?? null, told.hint ?? "", told.request_id, told.expires_at ?? "");
  } catch {
    return new Problem(answer.status, `The server answered ${answer.status} ${answer.statusText}`);
  }
}

/** A number of the API; NaN and the infinities come as their names. */
export type Numeric = number | string | null;

export function number(value: Numeric | undefined): number | null {
  if (value === null || value === undefined || value === "") return null;
  return typeof value === "number" ? value : Number(value);
}

export interface Run {
  id: string;
  name: string;
  experiment_id: string | null;
  experiment: string | null;
  task: string | null;
  status: string;
  user: string | null;
  duration: number | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  tags?: Record<string, string>;
  config?: Record<string, unknown>;
  metrics?: Record<string, Numeric>;
  test_sets?: Record<string, Record<string, Numeric>>;
  [field: string]: unknown;
}

export interface RunPage {
  runs: Run[];
  next_cursor: string | null;
  vector: string;
}

/** Runs that have the same values of some fields; of chosen numbers their mean and how they spread. */
export interface Group {
  by: Record<string, unknown>;
  count: number;
  values: Record<string, { count: number; mean: Numeric; sd: Numeric; min: Numeric; max: Numeric }>;
}

export interface Result {
  key: string;
  test_set: string;
  metric: string;
  speaker: string;
  decoding: string;
  value: Numeric;
  step: number | null;
  time: string;
}

export interface RunDetails extends Run {
  notes: string | null;
  error: string | null;
  traceback: string | null;
  attempts: number;
  environment: Record<string, unknown>;
  problems: Record<string, unknown>;
  results: Result[];
  resumes: { attempt: number; from_step: number | null; time: string }[];
  last_step: number | null;
  concurrent: { attempt: number; rank: number; host: string; pid: number; since: string }[];
  heartbeat_at: string | null;
  vector: string;
}

export interface MetricSummary {
  key: string;
  rank: number;
  count: number;
  nans: number;
  last: Numeric;
  last_step: number | null;
  min: Numeric;
  max: Numeric;
  mean: Numeric;
  best: Numeric;
}

export interface Curve {
  step: (number | null)[];
  value: Numeric[];
  time: number[];
  epoch?: Numeric[];
  abandoned?: boolean[];
}

export interface ManyCurves {
  vector: string;
  runs: Record<string, { curves: Record<string, Curve> }>;
}

export interface Experiment {
  id: string;
  name: string;
  task: string | null;
  description: string | null;
  tags: Record<string, string>;
  created_at: string;
  updated_at: string;
  runs: { total: number; running: number; finished: number; failed: number; cancelled: number };
  latest: { id: string; name: string; status: string; created_at: string } | null;
}

/** What a shared link shows: the address of a view, at a vector or as it is. */
export interface SharedView {
  id: string;
  name: string;
  path: string;
  as_of: string | null;
  moment: string | null;
  expires_at: string;
}

export interface Me {
  workspace: string;
  role: string;
  actor: string;
  share: SharedView | null;
}

/** Whether one may change what others see; the server decides, this only leaves out what it would refuse. */
export function mayEdit(me: Me): boolean {
  return me.role === "editor" || me.role === "admin";
}
