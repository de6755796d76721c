import type { RunDetails, RunPage } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { differing } from "../logic/columns";
import { anything } from "../logic/format";
import { address, shownShare } from "../logic/route";

const MOST = 30;

/** What a run changed in its config against the run before it in its experiment. */
export function ConfigChanges({ run }: { run: RunDetails }) {
  const filter = `experiment_id = '${run.experiment_id}' and created < '${run.created_at}'`;
  const { answer } = useAnswer<RunPage>(run.experiment_id && !shownShare() ? "/runs" : null, { filter, order_by: "created desc", limit: 1, fields: "name,config,created_at" });
  const before = answer?.runs[0];
  if (!before) return null;
  const changed = differing([before.config, run.config]).filter((each) => each.differs);
  const value = (each: unknown) => (each === undefined ? <span class="quiet">not set</span> : anything(each));
  return (
    <section aria-label="Changes">
      <h3>{changed.length ? "Changed since" : "The same as in"} <a href={address(`/runs/${before.id}`)}>{before.name}</a>, the run before it{changed.length > 0 && <> · <a href={address("/compare", { runs: `${before.id},${run.id}` })}>compare them</a></>}</h3>
      {changed.length > 0 && (
        <dl class="pairs changes">
          {changed.slice(0, MOST).map((each) => [<dt key={each.key}>{each.key}</dt>, <dd key={`${each.key}=`}>{value(each.values[0])} <span class="quiet">→</span> <b>{value(each.values[1])}</b></dd>])}
        </dl>
      )}
      {changed.length > MOST && <p class="quiet">and {changed.length - MOST} more.</p>}
    </section>
  );
}
