import type { RunDetails } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { moment, plain, size } from "../logic/format";
import type { Artifact } from "../logic/previews";
import { contentAddress } from "../logic/recordings";
import { ask } from "../logic/route";
import { Empty, Notice } from "../parts/notice";
import { PreviewPanel } from "../parts/preview";

/** What the run logged; one of them can be looked at, and stands in the address by its id, or by its path. */
export function Artifacts({ run, query }: { run: RunDetails; query: URLSearchParams }) {
  const { answer, problem, again } = useAnswer<{ artifacts: Artifact[] }>(`/runs/${run.id}/artifacts`);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  if (!answer.artifacts.length) return <Empty>No artifacts. run.log_artifact("epoch10.pt", type="checkpoint", epoch=10) logs one.</Empty>;
  const path = query.get("path");
  const chosen = answer.artifacts.find((each) => each.id === query.get("artifact")) ?? newestOf(answer.artifacts, path);
  return (
    <div class={`home ${chosen ? "wide beside" : ""}`}><div class="scrolled" tabIndex={0} role="region" aria-label="Artifacts"><table>
      <thead><tr><th>Path</th><th>Type</th><th class="number">Size</th><th class="number">Step</th><th class="number">Epoch</th><th class="number">Version</th><th>Logged</th><th>SHA-256</th></tr></thead>
      <tbody>{answer.artifacts.map((each) => (
        <tr key={each.id} class={each === chosen ? "lit" : ""}>
          <td>
            <button type="button" class="link" aria-pressed={each === chosen} title="Look at it" onClick={() => ask({ artifact: each === chosen ? null : each.id, path: null })}>{each.path}</button>
            {each.storage.kind !== "reference" && <> <a href={contentAddress(each.id)} download={each.path.split("/").pop()} aria-label={`Download ${each.path}`} title="Download">⤓</a></>}
          </td>
          <td>{each.type}</td>
          <td class="number">{size(each.size_bytes)}</td>
          <td class="number">{each.step === null ? "" : plain(each.step)}</td>
          <td class="number">{each.epoch === null ? "" : plain(each.epoch)}</td>
          <td class="number">{each.version}</td>
          <td>{moment(each.created_at)}</td>
          <td><code title={each.sha256}>{each.sha256.slice(0, 12)}</code></td>
        </tr>
      ))}</tbody>
    </table></div>
      {chosen && <PreviewPanel key={chosen.id} artifact={chosen} />}
    </div>
  );
}

function newestOf(artifacts: readonly Artifact[], path: string | null): Artifact | undefined {
  return artifacts.filter((each) => each.path === path).sort((a, b) => b.version - a.version)[0];
}
