import { useEffect } from "preact/hooks";
import { useAnswer } from "../logic/asking";
import { duration, latency, plain, size } from "../logic/format";
import { ingested, type ServerStatus } from "../logic/operations";
import { address } from "../logic/route";
import { Notice, Status } from "../parts/notice";

interface Storage {
  stores: { store: string; holds: string; bytes: number | null }[];
}

const REFRESH_MS = 5_000;

/** Whether all parts are there, how far behind they are, what was refused, and how much is stored. */
export function Health() {
  const { answer, problem, again } = useAnswer<ServerStatus>("/status", {}, { present: true });
  const storage = useAnswer<Storage>("/storage", {}, { present: true });
  useEffect(() => {
    const timer = setInterval(again, REFRESH_MS);
    return () => clearInterval(timer);
  }, [again]);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  const ingest = ingested(answer.ingest);
  return (
    <>
      <p><Status status={answer.ready ? "ready" : "not ready"} /> <span class="quiet">up for {duration(answer.uptime_seconds)}</span></p>
      <div class="columns">
        <section class="card">
          <h2>Parts</h2>
          <dl class="pairs">
            {Object.entries(answer.checks).map(([part, state]) => [<dt key={part}>{part.replace(/_/g, " ")}</dt>, <dd key={`${part}=`} class={state === "ok" ? "" : "warning"}>{state}</dd>])}
          </dl>
        </section>
        <section class="card">
          <h2>Ingest since the start</h2>
          <dl class="pairs">
            <dt>Records taken</dt><dd>{plain(ingest.accepted)}, {size(ingest.bytes)}</dd>
            <dt>Records refused</dt><dd class={ingest.refused ? "warning" : ""}>{plain(ingest.refused)}</dd>
            <dt>Requests that failed</dt>
            <dd class={ingest.failed.length ? "warning" : ""}>{ingest.failed.map(([status, count]) => `${plain(count)} with ${status}`).join(", ") || "none"} of {plain(ingest.requests)}</dd>
            <dt>Answered in</dt><dd>{ingest.answerMs === null ? "–" : `${latency(ingest.answerMs)} on average`}</dd>
            <dt>In the log in</dt><dd>{ingest.logMs === null ? "–" : `${latency(ingest.logMs)} on average`}</dd>
          </dl>
        </section>
        <section class="card">
          <h2>Storage</h2>
          {storage.problem && <Notice problem={storage.problem} again={storage.again} />}
          <dl class="pairs">
            {storage.answer?.stores.map((each) => [<dt key={each.store}>{each.store}</dt>, <dd key={`${each.store}=`}>{each.bytes === null ? <span class="warning">does not answer</span> : size(each.bytes)} <span class="quiet">{each.holds}</span></dd>])}
            <dt>event log</dt><dd>{plain(answer.projections.reduce((sum, each) => sum + Object.values(each.ends).reduce((all, end) => all + end, 0), 0))} records</dd>
          </dl>
        </section>
      </div>
      <h2>Projections</h2>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Projections">
        <table>
          <thead><tr>
            <th scope="col">Name</th><th scope="col" class="number">Version</th><th scope="col">Topic</th><th scope="col" class="number" title="records of the log that are not in it yet">Lag</th>
            <th scope="col" class="number">Dead letters</th><th scope="col" class="number" title="from the log to the projection">Latency, median</th><th scope="col" class="number">99 %</th><th scope="col" class="number">Last word</th>
          </tr></thead>
          <tbody>
            {answer.projections.map((each) => {
              const worker = answer.workers.find((one) => one.projection === each.name);
              return (
                <tr key={each.name}>
                  <td>{each.name}</td>
                  <td class="number">{each.version}</td>
                  <td>{each.topic}</td>
                  <td class="number">{plain(each.lag)}</td>
                  <td class={`number${each.dead_letters ? " warning" : ""}`}>{each.dead_letters ? <a href={address("/operations", { part: "letters" })}>{plain(each.dead_letters)}</a> : 0}</td>
                  <td class="number">{milliseconds(worker?.latency_ms?.p50)}</td>
                  <td class="number">{milliseconds(worker?.latency_ms?.p99)}</td>
                  <td class={`number${worker ? "" : " warning"}`}>{worker ? `${plain(Math.round(worker.age_seconds))} s ago` : "none for a minute"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? "" : latency(value);
}
