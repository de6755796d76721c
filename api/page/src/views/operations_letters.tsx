import { useState } from "preact/hooks";
import { send, type Problem } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { ago, moment, size } from "../logic/format";
import { address } from "../logic/route";
import { Empty, Notice } from "../parts/notice";

interface Letter {
  projection: string;
  id: number;
  topic: string;
  partition: number;
  offset: number;
  reason: string;
  error: string;
  size: number;
  parked_at: string;
  replayed_at: string | null;
  actor: string;
  type: string | null;
  subject: [string, string] | null;
}

const MOST = 200;

/** Records that a projection could not apply; once the cause is mended, a replay lets it take them. */
export function DeadLetters() {
  const [all, setAll] = useState(false);
  const { answer, problem, again } = useAnswer<{ dead_letters: Letter[] }>("/dead-letters", { limit: MOST, replayed: all || null }, { present: true });
  const [told, setTold] = useState("");
  const [failed, setFailed] = useState<Problem | null>(null);
  const replay = async ({ projection, id, type }: Letter) => {
    setFailed(null);
    try {
      const { applied } = await send<{ applied: boolean }>("POST", `/dead-letters/${encodeURIComponent(projection)}/${id}/replay`);
      setTold(applied ? `${projection} took ${type ?? "the record"} this time.` : `${projection} has not taken ${type ?? "the record"}: where it fails again, it is parked as a new letter.`);
    } catch (problem) {
      setFailed(problem as Problem);
    }
    again();
  };
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  return (
    <>
      <div class="tools"><label><input type="checkbox" checked={all} onChange={() => setAll(!all)} /> Also those that were replayed</label></div>
      {failed && <Notice problem={failed} />}
      {told && <p role="status">{told}</p>}
      {!answer.dead_letters.length && <Empty>Every record could be applied.</Empty>}
      {answer.dead_letters.length > 0 && (
        <div class="scrolled" tabIndex={0} role="region" aria-label="Dead letters">
          <table>
            <thead><tr><th scope="col">What</th><th scope="col">Why</th><th scope="col">Projection</th><th scope="col">Place in the log</th><th scope="col" class="number">Size</th><th scope="col">Parked</th><th scope="col"><span class="unseen">Replay</span></th></tr></thead>
            <tbody>{answer.dead_letters.map((each) => (
              <tr key={`${each.projection} ${each.id}`}>
                <td>{each.type ?? "cannot be read"}{each.subject && <div class="quiet">{each.subject[0] === "run" ? <a href={address(`/runs/${each.subject[1]}`)}>{each.subject[1]}</a> : each.subject.join(" ")}</div>}<div class="quiet">{each.actor}</div></td>
                <td class="settings">{each.reason}<div class="quiet">{each.error}</div></td>
                <td>{each.projection}</td>
                <td>{each.topic} {each.partition}/{each.offset}</td>
                <td class="number">{size(each.size)}</td>
                <td class="quiet" title={moment(each.parked_at)}>{ago(each.parked_at)}</td>
                <td>{each.replayed_at ? <span class="quiet">replayed {ago(each.replayed_at)}</span> : each.reason !== "forbidden" && <button type="button" onClick={() => void replay(each)}>Replay</button>}</td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </>
  );
}
