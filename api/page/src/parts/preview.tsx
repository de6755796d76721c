import { useEffect, useState } from "preact/hooks";
import { Problem } from "../logic/api";
import { plain, size } from "../logic/format";
import { indentedJson, previewOf, rowsOf, type Artifact } from "../logic/previews";
import { contentAddress } from "../logic/recordings";
import { later } from "./later";
import { Notice } from "./notice";

const SoundPanel = later(() => import("./sound").then((part) => part.SoundPanel));

const HEAD_BYTES = 65_536;
const JSON_BYTES = 1_000_000;
const IMAGE_BYTES = 32_000_000;
const MOST_ROWS = 101;
const MOST_COLUMNS = 40;

/** What an artifact holds, as far as it can be looked at; its bytes are fetched when it is shown, and none of it is run. */
export function PreviewPanel({ artifact }: { artifact: Artifact }) {
  return (
    <section class="card preview" aria-label="Preview">
      <h2>{artifact.path} <span class="quiet">version {artifact.version} · {size(artifact.size_bytes)}</span></h2>
      <Content artifact={artifact} />
    </section>
  );
}

function Content({ artifact }: { artifact: Artifact }) {
  const address = contentAddress(artifact.id);
  const label = artifact.path;
  switch (previewOf(artifact)) {
    case "reference": return <p>Its content is not stored here; it stays where it is: <code>{artifact.storage.uri ?? "no URI was given"}</code></p>;
    case "image": return artifact.size_bytes > IMAGE_BYTES ? <p class="quiet">It is too large to be shown here; download it.</p> : <Picture address={address} label={label} />;
    case "audio": return <SoundPanel sound={{ address, bytes: artifact.size_bytes, start: 0, duration: null }} label={label} words={[]} />;
    case "json": return <Text address={address} bytes={artifact.size_bytes} most={JSON_BYTES} show={indented} />;
    case "table": return <Table address={address} artifact={artifact} />;
    case "text": return <Text address={address} bytes={artifact.size_bytes} most={HEAD_BYTES} note={/html|xml/.test(artifact.content_type) ? "Shown as text, and not run." : ""} />;
    case "none": return <p class="quiet">There is no preview of {artifact.content_type}; download it.</p>;
  }
}

/** In an image element nothing runs and nothing is fetched, also of an SVG. */
function Picture({ address, label }: { address: string; label: string }) {
  const [broken, setBroken] = useState(false);
  return broken ? <p class="quiet">Its bytes are no image that this browser knows; download it.</p> : <img src={address} alt={label} onError={() => setBroken(true)} />;
}

interface TextProps {
  address: string;
  bytes: number;
  most: number;
  show?: (text: string, whole: boolean) => string;
  note?: string;
}

function Text({ address, bytes, most, show = (text) => text, note }: TextProps) {
  const { text, problem } = useHead(address, bytes, most);
  if (problem) return <Notice problem={problem} />;
  if (text === null) return null;
  return (
    <>
      {note && <p class="quiet">{note}</p>}
      <pre tabIndex={0}>{show(text, bytes <= most)}</pre>
      {bytes > most && <p class="quiet">The first {size(most)} of it.</p>}
    </>
  );
}

function indented(text: string, whole: boolean): string {
  if (!whole) return text;
  try {
    return indentedJson(JSON.parse(text));
  } catch {
    return text; // NaN is none of JSON's numbers, and is logged all the same
  }
}

function Table({ address, artifact }: { address: string; artifact: Artifact }) {
  const { text, problem } = useHead(address, artifact.size_bytes, HEAD_BYTES);
  if (problem) return <Notice problem={problem} />;
  if (text === null) return null;
  const whole = artifact.size_bytes <= HEAD_BYTES;
  const separator = /\.tsv$|tab-separated/i.test(`${artifact.path} ${artifact.content_type}`) ? "\t" : ",";
  const [head, ...rows] = rowsOf(text, separator, MOST_ROWS, whole);
  const columns = Math.max(0, ...[head ?? [], ...rows].map((row) => row.length));
  return (
    <>
      <div class="scrolled tall" tabIndex={0} role="region" aria-label="Rows"><table>
        <thead><tr>{(head ?? []).slice(0, MOST_COLUMNS).map((cell, i) => <th scope="col" key={i}>{cell}</th>)}</tr></thead>
        <tbody>{rows.map((row, i) => <tr key={i}>{row.slice(0, MOST_COLUMNS).map((cell, j) => <td key={j}>{cell}</td>)}</tr>)}</tbody>
      </table></div>
      <p class="quiet">
        {!whole || rows.length === MOST_ROWS - 1 ? `The first ${plain(rows.length)} rows. ` : `${plain(rows.length)} rows. `}
        {columns > MOST_COLUMNS && `The first ${MOST_COLUMNS} of ${plain(columns)} columns.`}
      </p>
    </>
  );
}

/** The first bytes as text; of what is not UTF-8, marks in its place. */
function useHead(address: string, bytes: number, most: number): { text: string | null; problem: Problem | null } {
  const [state, setState] = useState<{ text: string | null; problem: Problem | null }>({ text: null, problem: null });
  useEffect(() => {
    const abort = new AbortController();
    const headers: HeadersInit = bytes > most ? { Range: `bytes=0-${most - 1}` } : {};
    const told = (problem: Problem) => abort.signal.aborted || setState({ text: null, problem });
    fetch(address, { signal: abort.signal, credentials: "same-origin", headers }).then(async (answer) => {
      if (!answer.ok) return told(new Problem(answer.status, answer.status === 410 ? "The object store has lost its content." : `The server answered ${answer.status}`));
      setState({ text: await answer.text(), problem: null });
    }).catch(() => told(new Problem(0, "Its content cannot be fetched.")));
    return () => abort.abort();
  }, [address]);
  return state;
}
