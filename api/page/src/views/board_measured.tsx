import { useAnswer } from "../logic/asking";
import { decodingOf } from "../logic/evaluations";
import { plain, settings } from "../logic/format";
import { boundsText, byIdentity, comparedSheet, differing, mainNumbers, numberText, numberTitle, settingsText, SHORT_IDENTITY, type AgainstBest, type Compared, type Measurement } from "../logic/measurements";
import { address, ask } from "../logic/route";
import { counted } from "../logic/scores";
import { ExportMenu } from "../parts/export_menu";
import { FilterBox } from "../parts/filter_box";
import { Notice } from "../parts/notice";

const MOST = 1_000;

/** Tasks other than recognition: systems on one set, where their numbers mean the same. */
export function MeasuredBoard({ query }: { query: URLSearchParams }) {
  const filter = query.get("filter") ?? "";
  const { answer, problem, again } = useAnswer<{ measurements: Measurement[] }>("/measurements", { filter, limit: MOST });
  return (
    <>
      {(filter || (answer && answer.measurements.length > 0)) && <div class="tools"><FilterBox value={filter} problem={problem} submit={(text) => ask({ filter: text })} /></div>}
      {problem && problem.position === null && <Notice problem={problem} again={again} />}
      {answer && !answer.measurements.length && (filter ? <p class="nothing">No run that the filter takes has measured anything.</p> : <Nothing />)}
      {answer && answer.measurements.length > 0 && <Shown all={answer.measurements} filter={filter} query={query} />}
    </>
  );
}

/** all: what the filter takes, the newest first. */
function Shown({ all, filter, query }: { all: readonly Measurement[]; filter: string; query: URLSearchParams }) {
  const tasks = named(all.map((each) => each.task));
  const task = query.get("task") ?? all[0]!.task;
  const ofTask = all.filter((each) => each.task === task);
  const sets = named(ofTask.map((each) => each.test_set));
  const set = query.get("set") ?? ofTask[0]?.test_set ?? "";
  const definitions = byIdentity(ofTask.filter((each) => each.test_set === set));
  const asked = query.get("definition") ?? "";
  const definition = [...definitions.keys()].find((each) => each.startsWith(asked)) ?? null;
  const { answer, problem, again } = useAnswer<Compared>(definition && "/measurements/comparison", { task, test_set: set, definition, filter });
  return (
    <>
      <div class="tools">
        <Choice title="Task" names={tasks} chosen={task} choose={(chosen) => ask({ task: chosen, set: null, definition: null })} />
        <Choice title="Set" names={sets} chosen={set} choose={(chosen) => ask({ task, set: chosen, definition: null })} />
        {definitions.size > 1 && <DefinitionChoice {...{ definitions, definition }} />}
        <span class="grow" />
        {answer && answer.measurements.length > 0 && <ExportMenu name={answer.task} sheet={() => comparedSheet(answer)} />}
      </div>
      {definitions.size > 1 && <p class="quiet">Measured by {definitions.size} definitions, whose numbers do not mean the same: one of them is shown.</p>}
      {problem && <Notice problem={problem} again={again} />}
      {definition === null && <p class="nothing">Nothing is measured on this set.</p>}
      {answer && answer.measurements.length > 0 && <Systems found={answer} />}
      {all.length === MOST && <p class="quiet">Sets are those of the newest {plain(MOST)} measurements.</p>}
    </>
  );
}

function named(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

function Choice({ title, names, chosen, choose }: { title: string; names: readonly string[]; chosen: string; choose: (name: string) => void }) {
  return (
    <label>{title} <select value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
      {[...new Set([...names, chosen])].map((each) => <option key={each} value={each}>{each}</option>)}
    </select></label>
  );
}

/** Told apart by the settings that they do not share. */
function DefinitionChoice({ definitions, definition }: { definitions: ReadonlyMap<string, readonly Measurement[]>; definition: string | null }) {
  const apart = differing([...definitions.values()].map((rows) => rows[0]!.definition));
  return (
    <label>Definition <select value={definition ?? ""} onChange={(event) => ask({ definition: event.currentTarget.value.slice(0, SHORT_IDENTITY) })}>
      {[...definitions].map(([identity, rows]) => <option key={identity} value={identity}>{settingsText(rows[0]!.definition, apart)} ({rows.length})</option>)}
    </select></label>
  );
}

function Systems({ found }: { found: Compared }) {
  const names = [...new Set(found.measurements.flatMap(mainNumbers))];
  const best = found.measurements[0]!.values[names[0]!];
  const paired = found.measurements.find((each) => each.against_best)?.against_best;
  return (
    <>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Systems">
        <table class="board">
          <thead><tr>
            <th scope="col">System</th>
            {names.map((name, place) => [
              <th scope="col" class="number" key={name}>{numberTitle(name)}</th>,
              place === 0 && paired && <th scope="col" class="number" key="against">To the best</th>,
            ])}
          </tr></thead>
          <tbody>{found.measurements.map((each) => (
            <tr key={each.id}>
              <th scope="row"><a href={address(`/runs/${each.run_id}/test-sets`)}>{each.run}</a><div class="quiet clip">{[each.name, settings(decodingOf(each)), each.checkpoint].filter(Boolean).join(" · ")}</div></th>
              {names.map((name, place) => [
                <td class={`number${place === 0 && each.values[name] === best ? " best" : ""}`} key={name}>{numberText(name, each.values[name])}<div class="below quiet">{boundsText(name, each.intervals[name])}</div></td>,
                place === 0 && paired && <td class="number" key="against">{each.against_best && <Against name={name} found={each.against_best} />}</td>,
              ])}
            </tr>
          ))}</tbody>
        </table>
      </div>
      <p class="quiet">
        By {numberTitle(names[0]!)}, {found.higher_is_better ? "higher" : "lower"} is better.
        {paired && ` To the best: with ${plain(paired.level * 100)} % intervals by draws of the parts that both have; one that holds 0 shows no difference.`}
      </p>
      <p class="quiet">{settingsText(found.definition!)}</p>
    </>
  );
}

function Against({ name, found: { difference, low, high, parts } }: { name: string; found: AgainstBest }) {
  return <span title={`on ${counted(parts, "part")} that both have`}>{difference > 0 && "+"}{numberText(name, difference)}<div class="below quiet">{boundsText(name, { low, high })}</div></span>;
}

function Nothing() {
  return (
    <section class="empty" aria-label="First steps">
      <h2>Nothing is measured yet</h2>
      <p>Diarization, meetings, speaker verification, keyword spotting, listening tests and synthesis are measured where the run is, and stand here with what their numbers mean.</p>
      <pre tabIndex={0}><code>{`run.log_diarization("callhome-part2", "ref.rttm", "hyp.rttm", collar=0.5)
run.log_verification("voxceleb1-o", "trials.txt", "scores.txt")
run.log_listening_test("mos-en", "ratings.csv")`}</code></pre>
      <p>What recognisers wrote is under <a href={address("/leaderboard")}>Scores</a>.</p>
    </section>
  );
}
