import { useEffect, useRef, useState } from "preact/hooks";
import { get, type Problem, type RunDetails } from "../logic/api";
import { useLive } from "../logic/live";
import { ask, parseRoute, shownMoment } from "../logic/route";
import { Empty, Notice } from "../parts/notice";

interface LogLine {
  channel: string;
  number: number;
  text: string;
  time: string;
}

interface Page {
  lines: LogLine[];
  before: string | null;
}

const CHANNELS = ["", "stdout", "stderr", "log"];
const REFRESH_MS = 700;

/** What the run wrote, the latest lines at the end; it stays at the end while one looks there. */
export function Logs({ run }: { run: RunDetails }) {
  const channel = parseRoute(location).query.get("channel") ?? "";
  const [page, setPage] = useState<Page | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const base = `/runs/${run.id}/logs`;
  const asOf = shownMoment();

  useEffect(() => {
    const abort = new AbortController();
    get<Page>(base, { channel, limit: 1_000, as_of: asOf }, abort.signal).then(setPage, (error) => abort.signal.aborted || setProblem(error));
    return () => abort.abort();
  }, [base, channel, turn, asOf]);
  useEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [page]);
  useLive(run.status === "running" ? [run.id] : null, {
    change: ({ kind }) => {
      if (kind !== "log" || !atEnd.current) return;
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setTurn((now) => now + 1), REFRESH_MS);
    },
  });
  const earlier = async () => {
    const above = await get<Page>(base, { channel, limit: 1_000, before: page!.before, as_of: asOf });
    atEnd.current = false;
    setPage({ lines: [...above.lines, ...page!.lines], before: above.before });
  };
  if (problem) return <Notice problem={problem} />;
  if (!page) return null;
  return (
    <div class="logs">
      <div class="tools">
        <label>Channel <select value={channel} onChange={(event) => ask({ channel: event.currentTarget.value })}>
          {CHANNELS.map((each) => <option key={each} value={each}>{each || "all"}</option>)}
        </select></label>
        {page.before && <button type="button" onClick={earlier}>Earlier lines</button>}
      </div>
      {!page.lines.length && <Empty>The run has written nothing{channel && ` to ${channel}`}.</Empty>}
      {page.lines.length > 0 && (
        <pre ref={box} tabIndex={0} aria-label="Log" onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          atEnd.current = scrollHeight - scrollTop - clientHeight < 30;
        }}>
          {page.lines.map((line, i) => <div key={i} class={line.channel} title={`${line.channel}, ${line.time}`}>{line.text || " "}</div>)}
        </pre>
      )}
    </div>
  );
}
