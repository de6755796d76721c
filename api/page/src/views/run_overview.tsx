import { useState } from "preact/hooks";
import { number, type MetricSummary, type RunDetails } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { flat } from "../logic/columns";
import { anything, metric, moment, plain } from "../logic/format";
import { ConfigChanges } from "../parts/config_changes";
import { Empty, Notice, PresentAlone } from "../parts/notice";

interface Delivery {
  verdict: string;
  complete: boolean;
  calls: number;
  received: number;
  missing: number;
  voided: number;
}

/** What a run is: how it ended, its config, tags, numbers, delivery and surroundings. */
export function Overview({ run }: { run: RunDetails }) {
  const delivery = useAnswer<Delivery>(`/runs/${run.id}/delivery`, {}, { present: true });
  const metrics = useAnswer<{ metrics: MetricSummary[] }>(`/runs/${run.id}/metrics`);
  return (
    <div class="cards">
      {run.error && (
        <section class="card broad failed">
          <h2>Why it failed</h2>
          <p>{run.error}</p>
          {run.traceback && <pre tabIndex={0}>{run.traceback}</pre>}
        </section>
      )}
      {run.notes && <section class="card broad"><h2>Notes</h2><p>{run.notes}</p></section>}
      <section class="card">
        <h2>Run</h2>
        <Pairs pairs={[
          ["Id", run.id], ["Experiment", run.experiment], ["Task", run.task], ["User", run.user], ["Started", moment(run.started_at)],
          ["Finished", moment(run.finished_at)], ["Last step", run.last_step], ["Attempts", run.attempts], ["Commit", run.git_commit],
        ]} />
        <Tags tags={run.tags ?? {}} />
        {run.resumes.map((each) => <p class="quiet" key={each.attempt}>Attempt {each.attempt} went on {each.from_step === null ? "from the start" : `from step ${plain(each.from_step)}`}, {moment(each.time)}</p>)}
        {run.concurrent.map((each) => <p class="warning" key={`${each.host}${each.pid}`}>A process of attempt {each.attempt} on {each.host} went on writing after another had taken over.</p>)}
      </section>
      <section class="card">
        <h2>Delivery</h2>
        <PresentAlone />
        {delivery.problem && <Notice problem={delivery.problem} again={delivery.again} />}
        {delivery.answer && (
          <>
            <p class={delivery.answer.missing ? "warning" : ""}>{delivery.answer.verdict}</p>
            <Pairs pairs={[["Calls made", delivery.answer.calls], ["Arrived", delivery.answer.received], ["Missing", delivery.answer.missing || null], ["Given up", delivery.answer.voided || null]]} />
          </>
        )}
        {flat(run.problems).map(([key, value]) => <p class="warning" key={key}>{key}: {anything(value)}</p>)}
      </section>
      <section class="card"><h2>Config</h2><ConfigChanges run={run} /><Tree pairs={flat(run.config)} nothing="Nothing was logged with log_config." /></section>
      <section class="card">
        <h2>Metrics</h2>
        {metrics.answer && !metrics.answer.metrics.length && <Empty>No metrics yet.</Empty>}
        {metrics.answer && metrics.answer.metrics.length > 0 && (
          <div class="scrolled" tabIndex={0} role="region" aria-label="Metrics"><table>
            <thead><tr><th>Metric</th><th class="number">Last</th><th class="number">Best</th><th class="number">Points</th></tr></thead>
            <tbody>{metrics.answer.metrics.map((each) => (
              <tr key={each.key}>
                <td>{each.key}{each.nans > 0 && <span class="warning"> {plain(each.nans)} NaN</span>}</td>
                <td class="number">{metric(each.key, number(each.last))}</td>
                <td class="number">{metric(each.key, number(each.best))}</td>
                <td class="number">{plain(each.count)}</td>
              </tr>
            ))}</tbody>
          </table></div>
        )}
      </section>
      <section class="card broad"><h2>Environment</h2><Tree pairs={flat(run.environment)} nothing="Nothing is known of its environment." /></section>
    </div>
  );
}

export function Pairs({ pairs }: { pairs: [string, unknown][] }) {
  const there = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return <dl class="pairs">{there.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name}=`}>{anything(value)}</dd>])}</dl>;
}

function Tags({ tags }: { tags: Record<string, string> }) {
  return <p class="tags">{Object.entries(tags).map(([key, value]) => <span class="tag" key={key}>{key}{value && <b> {value}</b>}</span>)}</p>;
}

const MANY = 12;

function Tree({ pairs, nothing }: { pairs: [string, unknown][]; nothing: string }) {
  const [words, setWords] = useState("");
  if (!pairs.length) return <Empty>{nothing}</Empty>;
  const shown = pairs.filter(([key, value]) => `${key} ${anything(value)}`.toLowerCase().includes(words.toLowerCase()));
  return (
    <>
      {pairs.length > MANY && <input type="search" aria-label="Find" placeholder={`Find among ${pairs.length}…`} value={words} onInput={(event) => setWords(event.currentTarget.value)} />}
      <div class="scrolled tall" tabIndex={0} role="region" aria-label="Values"><Pairs pairs={shown.map(([key, value]) => [key, value === null ? "null" : value])} /></div>
    </>
  );
}
