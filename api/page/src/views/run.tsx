import { useCallback, useRef, useState } from "preact/hooks";
import type { MetricSummary, RunDetails } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { colourOf } from "../logic/colours";
import { ago, duration, moment } from "../logic/format";
import { useLive } from "../logic/live";
import { address, shownShare } from "../logic/route";
import { shownRun } from "../logic/shown_run";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { Empty, Notice, Status } from "../parts/notice";
import { Panels } from "../parts/panels";
import { TimeSlider } from "../parts/time_slider";
import { Artifacts } from "./run_artifacts";
import { Events } from "./run_events";
import { Logs } from "./run_logs";
import { Overview } from "./run_overview";
import { Results } from "./run_results";

const TABS = [
  ["", "Overview"],
  ["charts", "Charts"],
  ["test-sets", "Test sets"],
  ["artifacts", "Artifacts"],
  ["logs", "Logs"],
  ["events", "Events"],
] as const;
/** Parts in which one can go through the run's time. */
const TIMED = ["", "charts", "test-sets", "artifacts", "events"];
const REFRESH_MS = 1_000;

/** One run, under /runs/ID/TAB. */
export function RunView({ route }: ViewProps) {
  const [, id = "", tab = ""] = route.parts;
  const { answer: run, problem, again } = useAnswer<RunDetails>(`/runs/${encodeURIComponent(id)}`);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const changed = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(again, REFRESH_MS);
  }, [again]);
  useTitle(run?.name, tab && TABS.find(([name]) => name === tab)?.[1], run?.experiment);
  const going = run && run.status !== "finished";
  useLive(going ? [run.id] : null, { change: ({ kind }) => kind !== "log" && kind !== "heartbeat" && changed() });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!run) return null;
  return (
    <div class="run">
      <header>
        <h1><i class="dot" style={{ background: colourOf(run.id) }} />{run.name} <Status status={run.status} /></h1>
        <p class="quiet">
          {[run.experiment, run.user, run.started_at && `started ${moment(run.started_at)} (${ago(run.started_at)})`, run.duration !== null && `took ${duration(run.duration)}`, run.attempts > 1 && `attempt ${run.attempts}`].filter(Boolean).join(" · ")}
        </p>
        <nav class="tabs" aria-label="Parts of the run">
          {TABS.map(([name, title]) => (
            <a key={name} href={address(`/runs/${run.id}${name && `/${name}`}`)} aria-current={name === tab ? "page" : undefined}>{title}</a>
          ))}
        </nav>
        {TIMED.includes(tab) && !shownShare() && <TimeSlider key={run.id} run={run} open={tab === "events"} />}
      </header>
      <Tab run={run} tab={tab} query={route.query} />
    </div>
  );
}

function Tab({ run, tab, query }: { run: RunDetails; tab: string; query: URLSearchParams }) {
  switch (tab) {
    case "": return <Overview run={run} />;
    case "charts": return <Charts run={run} query={query} />;
    case "test-sets": return <Results run={run} query={query} />;
    case "artifacts": return <Artifacts run={run} query={query} />;
    case "logs": return <Logs run={run} />;
    case "events": return <Events run={run} />;
    default: return <Empty>A run has no such part.</Empty>;
  }
}

function Charts({ run, query }: { run: RunDetails; query: URLSearchParams }) {
  const { answer, problem, again } = useAnswer<{ metrics: MetricSummary[] }>(`/runs/${run.id}/metrics`);
  const [highlighted, highlight] = useState<string | null>(null);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  return <Panels runs={[shownRun(run)]} keys={answer.metrics.map((each) => each.key)} query={query} highlighted={highlighted} highlight={highlight} />;
}
