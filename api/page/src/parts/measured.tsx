import { useAnswer } from "../logic/asking";
import { decodingOf } from "../logic/evaluations";
import { moment, plain, settings } from "../logic/format";
import { boundsText, mainNumbers, numberText, numberTitle, settingsText, SHORT_IDENTITY, type Measurement } from "../logic/measurements";
import { address, shownShare } from "../logic/route";

const MOST = 200;
const MOST_PARTS = 200;

/** What a run measured in tasks other than recognition: each number with its interval, and what it means. */
export function Measurements({ run, found }: { run: string; found: readonly Measurement[] }) {
  if (!found.length) return null;
  return (
    <section aria-label="Measurements">
      <h2>Measurements</h2>
      {found.map((each) => <Measured key={each.id} run={run} measured={each} />)}
      {found.length === MOST && <p class="quiet">The newest {MOST}; the command speech-tracker measurements has all.</p>}
    </section>
  );
}

/** What a run measured; null until it is known. */
export function useMeasurements(run: string): Measurement[] | null {
  const { answer } = useAnswer<{ measurements: Measurement[] }>("/measurements", { run, limit: MOST });
  return answer && answer.measurements;
}

function Measured({ run, measured }: { run: string; measured: Measurement }) {
  const { task, test_set: set, name, items, artifacts, headline } = measured;
  const about = [name, settings(decodingOf(measured)), measured.checkpoint, moment(measured.logged_at)].filter(Boolean);
  const method = measured.intervals[headline];
  return (
    <article class="card" aria-label={`${task} on ${set}`}>
      <h3>{task} <span class="quiet">on</span> {shownShare() ? set : <a href={address("/leaderboard", { board: "measured", task, set, definition: measured.identity.slice(0, SHORT_IDENTITY) })} title="Beside other systems">{set}</a>} <span class="quiet">{about.join(" · ")}</span></h3>
      <dl class="figures">
        {mainNumbers(measured).map((each) => (
          <div key={each}><dt>{numberTitle(each)}</dt><dd><b>{numberText(each, measured.values[each])}</b><span class="quiet">{boundsText(each, measured.intervals[each])}</span></dd></div>
        ))}
      </dl>
      <p class="quiet settings">{settingsText(measured.definition)}{method && `; ${plain(method.level * 100)} % intervals by ${method.method}`}</p>
      {Object.keys(artifacts).length > 0 && (
        <p class="quiet">Made from {Object.entries(artifacts).map(([role, path], i) => <span key={role}>{i > 0 && ", "}<a href={address(`/runs/${run}/artifacts`, { path })} title={path}>{role.replace(/_/g, " ")}</a></span>)}.</p>
      )}
      {items.ids.length > 1 && <details><summary>{plain(items.total)} {items.kind}s</summary><Parts items={items} headline={headline} /></details>}
    </article>
  );
}

/** The parts, those with the highest headline number first where they have it. */
function Parts({ items: { ids, kind, columns }, headline }: { items: Measurement["items"]; headline: string }) {
  const names = Object.keys(columns);
  const by = columns[headline];
  const places = ids.map((_, i) => i);
  if (by) places.sort((a, b) => (by[b] ?? -Infinity) - (by[a] ?? -Infinity));
  return (
    <div class="scrolled tall" tabIndex={0} role="region" aria-label={`${kind}s`}>
      <table>
        <thead><tr><th scope="col">{kind}</th>{names.map((name) => <th scope="col" class="number" key={name}>{numberTitle(name)}</th>)}</tr></thead>
        <tbody>{places.slice(0, MOST_PARTS).map((i) => (
          <tr key={i}><th scope="row">{ids[i]}</th>{names.map((name) => <td class="number" key={name}>{numberText(name, columns[name]![i])}</td>)}</tr>
        ))}</tbody>
      </table>
      {ids.length > MOST_PARTS && <p class="quiet">{MOST_PARTS} of {plain(ids.length)}.</p>}
    </div>
  );
}
