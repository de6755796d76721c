import { useState } from "preact/hooks";
import type { RunPage } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { idFilter } from "../logic/columns";
import { ago, plain } from "../logic/format";
import { hasProblem, type RunDelivery } from "../logic/operations";
import { address } from "../logic/route";
import { counted } from "../logic/scores";
import { Empty, Notice, Status } from "../parts/notice";

interface Deliveries {
  deliveries: RunDelivery[];
  next_cursor: string | null;
}

const PAGE = 500;
const MOST_NAMED = 100;

/** Runs of which something is missing, was given up, or was written by two processes at once. */
export function Delivery() {
  const [cursor, setCursor] = useState<string | null>(null);
  const { answer, problem, again } = useAnswer<Deliveries>("/delivery", { timeout: 0, limit: PAGE, cursor }, { present: true });
  const troubled = (answer?.deliveries ?? []).filter(hasProblem);
  const ids = troubled.slice(0, MOST_NAMED).map((each) => each.run_id);
  const runs = useAnswer<RunPage>(ids.length ? "/runs" : null, { filter: idFilter(ids), fields: "name,status,experiment,created_at", limit: MOST_NAMED }, { present: true });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  const looked = cursor ? `the next ${answer.deliveries.length}` : answer.next_cursor ? `the newest ${answer.deliveries.length}` : "all";
  return (
    <>
      <p class="quiet">Each process numbers what it logs; what did not arrive is known by its number. Of {looked} runs, {plain(troubled.length)} {troubled.length === 1 ? "has" : "have"} a problem. <code>speech-tracker verify</code> reads the log again and compares.</p>
      {!troubled.length && <Empty>Everything that was logged has arrived.</Empty>}
      {troubled.length > 0 && (
        <div class="scrolled" tabIndex={0} role="region" aria-label="Delivery problems">
          <table>
            <thead><tr><th scope="col">Run</th><th scope="col">Verdict</th><th scope="col" class="number">Calls</th><th scope="col" class="number">Arrived</th><th scope="col" class="number">Missing</th><th scope="col" class="number" title="by the client: full disk, quota, or refused">Given up</th><th scope="col">Created</th></tr></thead>
            <tbody>{troubled.map((each) => {
              const run = runs.answer?.runs.find((one) => one.id === each.run_id);
              return (
                <tr key={each.run_id}>
                  <td><a href={address(`/runs/${each.run_id}`)}>{run?.name ?? each.run_id}</a> {run && <Status status={run.status} />}<div class="quiet">{run?.experiment}</div></td>
                  <td class="settings">{each.verdict}{each.concurrent && <div class="warning">two processes wrote at once</div>}</td>
                  <td class="number">{plain(each.calls)}</td><td class="number">{plain(each.received)}</td>
                  <td class={`number${each.missing ? " warning" : ""}`}>{plain(each.missing)}</td><td class={`number${each.voided ? " warning" : ""}`}>{plain(each.voided)}</td>
                  <td class="quiet">{run && ago(run.created_at)}</td>
                </tr>
              );
            })}</tbody>
          </table>
        </div>
      )}
      <p class="choice">
        {cursor && <button type="button" onClick={() => setCursor(null)}>The newest runs</button>}
        {answer.next_cursor && <button type="button" onClick={() => setCursor(answer.next_cursor)}>Look at {counted(PAGE, "older run")}</button>}
      </p>
    </>
  );
}
