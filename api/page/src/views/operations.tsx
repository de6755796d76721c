import { useEffect } from "preact/hooks";
import { useAnswer } from "../logic/asking";
import { duration, plain } from "../logic/format";
import { Notice, PresentAlone, Status } from "../parts/notice";
import type { ViewProps } from ".";

interface ServerStatus {
  ready: boolean;
  checks: Record<string, string>;
  uptime_seconds: number;
  projections: { name: string; version: number; topic: string; lag: number; dead_letters: number }[];
  workers: { projection: string; worker: string; age_seconds: number; latency_ms?: { p50?: number; p99?: number } }[];
}

const REFRESH_MS = 5_000;

/** How the server is doing. */
export function Operations(_: ViewProps) {
  const { answer, problem, again } = useAnswer<ServerStatus>("/status", {}, { present: true });
  useEffect(() => {
    const timer = setInterval(again, REFRESH_MS);
    return () => clearInterval(timer);
  }, [again]);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  return (
    <div class="home">
      <h1>Operations</h1>
      <PresentAlone />
      <p><Status status={answer.ready ? "ready" : "not ready"} /> <span class="quiet">up for {duration(answer.uptime_seconds)}</span></p>
      <h2>Parts</h2>
      <dl class="pairs">
        {Object.entries(answer.checks).map(([part, state]) => [<dt key={part}>{part.replace(/_/g, " ")}</dt>, <dd key={`${part}=`}>{state}</dd>])}
      </dl>
      <h2>Projections</h2>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Projections">
        <table>
          <thead><tr><th>Name</th><th class="number">Version</th><th>Topic</th><th class="number">Lag</th><th class="number">Dead letters</th><th class="number">Latency, median</th><th class="number">99 %</th></tr></thead>
          <tbody>
            {answer.projections.map((each) => {
              const worker = answer.workers.find((one) => one.projection === each.name);
              return (
                <tr key={each.name}>
                  <td>{each.name}</td>
                  <td class="number">{each.version}</td>
                  <td>{each.topic}</td>
                  <td class="number">{each.lag}</td>
                  <td class="number">{each.dead_letters}</td>
                  <td class="number">{milliseconds(worker?.latency_ms?.p50)}</td>
                  <td class="number">{milliseconds(worker?.latency_ms?.p99)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? "" : `${plain(value)} ms`;
}
