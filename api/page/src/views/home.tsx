import type { Experiment, RunPage } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { quoted } from "../logic/columns";
import { ago, duration } from "../logic/format";
import { useRefreshed } from "../logic/refreshed";
import { address } from "../logic/route";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { Facets, useFacets } from "../parts/facets";
import { Empty, FirstSteps, Notice, Status } from "../parts/notice";

interface Experiments {
  experiments: Experiment[];
  next_cursor: string | null;
}

const FAILED = "status in ('failed', 'lost', 'lost contact')";
/** What a status is called, and the runs that have it; those that are finished are the rest. */
const DOING = [
  ["running", "running", "status = 'running'"],
  ["failed", "failed or lost", FAILED],
  ["cancelled", "cancelled", "status = 'cancelled'"],
] as const;
const REFRESH_MS = 10_000;
const SHOWN = "name,status,experiment,created_at,duration,user,error";

/** What there is, what runs, what failed, what is new. */
export function Home({ route: { query } }: ViewProps) {
  const experiments = useAnswer<Experiments>("/experiments", { limit: 100, task: query.get("task") });
  const running = useAnswer<RunPage>("/runs", { filter: "status = 'running'", limit: 8, fields: SHOWN });
  const failed = useAnswer<RunPage>("/runs", { filter: FAILED, limit: 8, fields: SHOWN });
  const task = query.get("task");
  useTitle(task);
  const facets = useFacets();
  const newest = useAnswer<RunPage>("/runs", { limit: 8, fields: SHOWN });
  useRefreshed(() => [experiments, running, failed, newest].forEach((each) => each.again()), REFRESH_MS);
  if (experiments.problem) return <Notice problem={experiments.problem} again={experiments.again} />;
  if (!experiments.answer || !newest.answer) return null;
  if (!experiments.answer.experiments.length && !task && !newest.answer.runs.length) return <FirstSteps title="No experiments yet" />;
  return (
    <div class="home">
      <h1>Experiments{task && <> of the task {task} <a class="button" href={address("/")}>All tasks</a></>}</h1>
      <Facets facets={facets} task={task} />
      <div class="scrolled" tabIndex={0} role="region" aria-label="Experiments">
        <table>
          <thead><tr><th>Name</th><th>Task</th><th class="number">Runs</th><th>Doing</th><th>Latest run</th><th>Changed</th></tr></thead>
          <tbody>
            {experiments.answer.experiments.map((each) => (
              <tr key={each.id}>
                <td>
                  <a href={runsOf(each.name)}>{each.name}</a>
                  {each.description && <div class="quiet clip">{each.description}</div>}
                </td>
                <td>{each.task}</td>
                <td class="number">{each.runs.total}</td>
                <td><div class="doing">
                  {DOING.map(([status, title, condition]) => each.runs[status] > 0 && (
                    <a key={status} class={`status ${status}`} href={runsOf(each.name, condition)}>{each.runs[status]} {title}</a>
                  ))}
                </div></td>
                <td>{each.latest && <a href={address(`/runs/${each.latest.id}`)}>{each.latest.name}</a>}</td>
                <td class="quiet">{ago(each.updated_at)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="columns">
        <RunList title="Running" page={running.answer} nothing="Nothing runs right now." all="status = 'running'" />
        <RunList title="Failed or lost" page={failed.answer} nothing="No run failed." all={FAILED} />
        <RunList title="New" page={newest.answer} nothing="No runs yet." all="" />
      </div>
    </div>
  );
}

function runsOf(experiment: string, condition = ""): string {
  return address("/runs", { filter: [`experiment = ${quoted(experiment)}`, condition].filter(Boolean).join(" and ") });
}

function RunList({ title, page, nothing, all }: { title: string; page: RunPage | null; nothing: string; all: string }) {
  return (
    <section class="card">
      <h2>{title}</h2>
      {page && !page.runs.length && <Empty>{nothing}</Empty>}
      <ul class="runs">
        {page?.runs.map((run) => (
          <li key={run.id}>
            <a href={address(`/runs/${run.id}`)}>{run.name}</a> <Status status={run.status} />
            <div class="quiet clip">{[ago(run.created_at), run.duration ? duration(run.duration) : "", run.user, run.experiment].filter(Boolean).join(" · ")}</div>
            {run.error ? <div class="quiet clip">{String(run.error)}</div> : null}
          </li>
        ))}
      </ul>
      {page?.next_cursor && <a href={address("/runs", { filter: all })}>All of them</a>}
    </section>
  );
}
