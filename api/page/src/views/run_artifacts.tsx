import { path, type RunDetails } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { moment, plain, size } from "../logic/format";
import { Empty, Notice } from "../parts/notice";

interface Artifact {
  id: string;
  path: string;
  type: string;
  size_bytes: number;
  sha256: string;
  step: number | null;
  epoch: number | null;
  version: number;
  created_at: string;
}

export function Artifacts({ run }: { run: RunDetails }) {
  const { answer, problem, again } = useAnswer<{ artifacts: Artifact[] }>(`/runs/${run.id}/artifacts`);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  if (!answer.artifacts.length) return <Empty>No artifacts. run.log_artifact("epoch10.pt", type="checkpoint", epoch=10) logs one.</Empty>;
  return (
    <div class="home"><div class="scrolled" tabIndex={0} role="region" aria-label="Artifacts"><table>
      <thead><tr><th>Path</th><th>Type</th><th class="number">Size</th><th class="number">Step</th><th class="number">Epoch</th><th class="number">Version</th><th>Logged</th><th>SHA-256</th></tr></thead>
      <tbody>{answer.artifacts.map((each) => (
        <tr key={each.id}>
          <td><a href={path(`/artifacts/${each.id}/content`)} download={each.path.split("/").pop()}>{each.path}</a></td>
          <td>{each.type}</td>
          <td class="number">{size(each.size_bytes)}</td>
          <td class="number">{each.step === null ? "" : plain(each.step)}</td>
          <td class="number">{each.epoch === null ? "" : plain(each.epoch)}</td>
          <td class="number">{each.version}</td>
          <td>{moment(each.created_at)}</td>
          <td><code title={each.sha256}>{each.sha256.slice(0, 12)}</code></td>
        </tr>
      ))}</tbody>
    </table></div></div>
  );
}
