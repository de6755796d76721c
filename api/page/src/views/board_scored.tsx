import { useAnswer, usePosition } from "../logic/asking";
import { nextOrder, parseOrder, type Order } from "../logic/columns";
import { settings } from "../logic/format";
import { useRefreshed } from "../logic/refreshed";
import { address, ask, joined, list } from "../logic/route";
import { bestOf, differences, evidence, intervalText, orderedSystems, profileOf, rateText, systemKey, type Scoreboard, type ScoredSet, type System } from "../logic/scores";
import { boardSheet } from "../logic/sheets";
import { testedOf } from "../logic/significance";
import { ExportMenu } from "../parts/export_menu";
import { FilterBox } from "../parts/filter_box";
import { Notice } from "../parts/notice";
import { ProfileChoice } from "../parts/profile_choice";
import { SignificancePanel } from "../parts/significance";

const MOST = 200;
const REFRESH_MS = 15_000;
/** Intervals are drawn anew when something was scored. */
const RARELY_MS = 60_000;

/** Systems × test sets as the server scores them; every number leads to its evaluation. */
export function ScoredBoard({ query }: { query: URLSearchParams }) {
  const profile = query.get("profile");
  const filter = query.get("filter") ?? "";
  const sure = query.has("intervals");
  const tested = list(query.get("tested"));
  const { answer: board, problem, again } = useAnswer<Scoreboard>("/scores", { profile, filter, limit: MOST, intervals: sure || null });
  useRefreshed(again, sure ? RARELY_MS : REFRESH_MS);
  return (
    <>
      <div class="tools">
        <ProfileChoice chosen={profile} />
        <label><input type="checkbox" checked={sure} onChange={() => ask({ intervals: sure ? null : "1" })} /> Intervals and ties</label>
        <FilterBox value={filter} problem={problem} submit={(text) => ask({ filter: text })} />
        {board && board.systems.length > 0 && <ExportMenu name="Leaderboard" sheet={() => boardSheet(board, orderedSystems(board.systems, parseOrder(query.get("order"))))} panel={{ kind: "leaderboard", values: { filter, profile, intervals: sure ? "yes" : null, order: query.get("order") } }} />}
      </div>
      {problem && problem.position === null && <Notice problem={problem} again={again} />}
      {board && !board.systems.length && <Nothing filter={filter} />}
      {board && board.systems.length > 0 && tested.length > 0 && <SignificancePanel evaluations={tested} profile={profile} query={query} close={() => ask({ tested: null, against: null, common: null })} />}
      {board && board.systems.length > 0 && <Systems board={board} query={query} />}
    </>
  );
}

function Systems({ board, query }: { board: Scoreboard; query: URLSearchParams }) {
  const order = parseOrder(query.get("order"));
  const chosen = list(query.get("chosen"));
  const systems = orderedSystems(board.systems, order);
  const best = new Map(board.test_sets.map((set) => [set.test_set, bestOf(board, set.test_set)]));
  const toggle = (key: string) => ask({ chosen: joined(chosen.includes(key) ? chosen.filter((each) => each !== key) : [...chosen, key]) });
  const picked = board.systems.filter((system) => chosen.includes(systemKey(system)));
  const test = (set: ScoredSet) => ask({ tested: joined(testedOf(set.test_set, board.systems, picked)), against: null, common: null });
  const differ = systems.some((system) => Object.values(system.cells).some((cell) => cell.differs.length));
  return (
    <>
      <Choice board={board} systems={picked} />
      <div class="scrolled" tabIndex={0} role="region" aria-label="Systems and test sets">
        <table class="board">
          <thead><tr>
            <td class="narrow"><span class="unseen">Chosen</span></td>
            <Head id="run" title="System" order={order} />
            <th scope="col" class="broad-only">Decoding</th>
            {board.test_sets.map((set) => <Head key={set.test_set} id={`set:${set.test_set}`} title={set.test_set} below={set.revision ? `revision ${set.revision}` : "own references"} numeric order={order} test={set.systems > 1 ? () => test(set) : undefined} />)}
            {board.test_sets.length > 1 && <Head id="mean" title="Mean of sets" numeric order={order} />}
          </tr></thead>
          <tbody>
            {systems.map((system) => (
              <tr key={systemKey(system)} class={chosen.includes(systemKey(system)) ? "lit" : ""}>
                <td class="narrow"><input type="checkbox" aria-label={`Choose ${system.run} ${system.decoding}`} checked={chosen.includes(systemKey(system))} onChange={() => toggle(systemKey(system))} /></td>
                <th scope="row"><a href={address(`/runs/${system.run_id}`)}>{system.run}</a>{system.experiment && <div class="quiet clip">{system.experiment}</div>}<div class="quiet below narrow-only">{settings(system.decoding)}</div></th>
                <td class="quiet settings broad-only" title={system.decoding}>{settings(system.decoding)}</td>
                {board.test_sets.map((set) => <Score key={set.test_set} {...{ system, set, board }} best={best.get(set.test_set) ?? null} />)}
                {board.test_sets.length > 1 && (
                  <td class="number">{rateText(system.macro_over_sets)}{system.missing > 0 && <div class="quiet">{system.missing} missing</div>}</td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="quiet">
        {board.warnings?.map((warning) => <b key={warning}>{warning}. </b>)}
        Error rates are of all words together, by the profile <b>{board.profile}</b>. Bold is the lowest of a column among those that are alike.{query.has("intervals") && " Below are 95 % intervals in per cent; a number ties with the best of all where a test does not tell them apart."}
        {systems.length > 1 && !picked.length && <span class="unprinted"> Why one is better: check two to see them word by word, or look at all <a href={address("/leaderboard", { board: "matrices", filter: query.get("filter"), profile: query.get("profile") })}>by noise, language and other conditions</a>.</span>}
        {differ && <> <span class="differs">≠</span> marks numbers that are not like the others of their column, with the reason below: other references, or utterances without a hypothesis.</>}
      </p>
    </>
  );
}

interface HeadProps {
  id: string;
  title: string;
  below?: string;
  numeric?: boolean;
  order: Order | null;
  /** Shows which of the column's systems really differ. */
  test?: () => void;
}

function Head({ id, title, below, numeric, order, test }: HeadProps) {
  const mine = order?.id === id ? (order.descending ? "descending" : "ascending") : "none";
  const sign = { ascending: " ↑", descending: " ↓", none: "" }[mine as "none"];
  return (
    <th scope="col" class={numeric ? "number" : ""} aria-sort={mine as "none"}>
      <button type="button" class="plain" onClick={() => ask({ order: nextOrder(order, id) })}>{title}{sign}</button>
      {below && <div class="below">{below}</div>}
      {test && <div class="below"><button type="button" class="link" aria-label={`Significance on ${title}`} title="Which of its systems really differ: those chosen, or else the best" onClick={test}>significance</button></div>}
    </th>
  );
}

export function Score({ system, set, board, best }: { system: System; set: ScoredSet; board: Scoreboard; best: number | null }) {
  const cell = system.cells[set.test_set];
  const position = usePosition();
  if (!cell) return <td class="number quiet">–</td>;
  const why = differences(cell, set);
  const link = address(`/evaluations/${cell.evaluation}`, { profile: profileOf(board), as_of: position });
  const isBest = best !== null && cell.rate === best && !why.length;
  return (
    <td class={`number${isBest ? " best" : ""}`} title={evidence(cell, set, board.unit)}>
      {why.length > 0 && <span class="differs" aria-hidden="true">≠ </span>}
      <a href={link}>{rateText(cell.rate)}</a>
      {cell.certainty && <div class="below quiet">{intervalText(cell.certainty)}</div>}
      {cell.certainty?.tied && cell.certainty.p !== null && !isBest && <div class="below">ties with the best</div>}
      {why.map((each) => <div class="why" key={each.brief}>{each.brief}</div>)}
    </td>
  );
}

/** What can be done with the systems that are chosen. */
function Choice({ board, systems }: { board: Scoreboard; systems: readonly System[] }) {
  if (!systems.length) return null;
  const shared = board.test_sets.filter((set) => systems.filter((system) => system.cells[set.test_set]).length > 1);
  const runs = [...new Set(systems.map((system) => system.run_id))];
  const evaluations = (set: ScoredSet) => joined(systems.flatMap((system) => system.cells[set.test_set]?.evaluation ?? []));
  return (
    <p class="choice" role="status">
      <b>{systems.length} chosen.</b>{" "}
      {systems.length < 2 && "Choose another to compare them. "}
      {shared.length > 0 && <>Compare on {shared.map((set) => <a key={set.test_set} class="tag" href={address("/compare", { evaluations: evaluations(set), profile: profileOf(board) })}>{set.test_set}</a>)}{" "}</>}
      {runs.length > 1 && <a class="tag" href={address("/compare", { runs: joined(runs) })}>configs and curves</a>}{" "}
      <button type="button" class="plain" onClick={() => ask({ chosen: null })}>Choose none</button>
    </p>
  );
}

function Nothing({ filter }: { filter: string }) {
  if (filter) return <p class="nothing">No run that the filter takes has an evaluation that is scored.</p>;
  return (
    <section class="empty" aria-label="First steps">
      <h2>Nothing is scored yet</h2>
      <p>Log what a system recognised; the server counts the errors, by the same rules for all systems.</p>
      <pre tabIndex={0}><code>{`client.register_test_set("my-test-set", rows, language="en")
# rows: dicts with id, reference, speaker, …
with run.log_evaluation("my-test-set") as evaluation:
    evaluation.log(utterance_id, hypothesis)`}</code></pre>
      <p>Error rates that runs logged as numbers are under <a href={address("/leaderboard", { board: "logged" })}>Any metric</a>, diarization, verification and the like under <a href={address("/leaderboard", { board: "measured" })}>Other tasks</a>.</p>
    </section>
  );
}
