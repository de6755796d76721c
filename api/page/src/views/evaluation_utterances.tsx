import type { ComponentProps } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, type Problem } from "../logic/api";
import { isConfusion, type Utterance, type UtterancePage } from "../logic/evaluations";
import { address, ask, joined, list, shownMoment } from "../logic/route";
import { counted } from "../logic/scores";
import { useSettled } from "../logic/settled";
import { Breakdown, factorName } from "../parts/breakdown";
import { ErrorProfile, Words } from "../parts/error_profile";
import { Notice } from "../parts/notice";
import { VirtualTable, type TableColumn } from "../parts/table";
import { UtterancePanel } from "../parts/utterance";

interface Props {
  id: string;
  profile: string | null;
  query: URLSearchParams;
  correct: ComponentProps<typeof UtterancePanel>["correct"];
}

type Row = Utterance & { id: string };

const PAGE = 200;
const TYPING_MS = 80;
const PASSING_MS = 120;
const ORDERS = [
  ["errors", "Most errors first"],
  ["rate", "Highest rate first"],
  ["list", "As in the set"],
] as const;

const PARTS = [
  [null, "Words and groups"],
  ["errors", "Error profile"],
] as const;

const COLUMNS: TableColumn<Row>[] = [
  { id: "errors", title: "Errors", width: 64, numeric: true, cell: (row) => (row.hypothesis === null ? "none" : row.errors) },
  { id: "tokens", title: "Of", width: 52, numeric: true, cell: (row) => <span class="quiet">{row.tokens}</span> },
  { id: "utterance", title: "Utterance", width: 150, cell: (row) => <span title={row.utterance}>{row.utterance}</span> },
  { id: "speaker", title: "Speaker", width: 90, cell: (row) => row.speaker },
  { id: "reference", title: "Reference", width: 420, cell: (row) => <span title={row.reference}>{row.reference}</span> },
];

/** The utterances beside the alignment of the one that is gone to, and what groups of them have in common. */
export function Utterances({ id, profile, query, correct }: Props) {
  const order = query.get("order") ?? "errors";
  const where = list(query.get("where"));
  const confusion = { reference: query.get("said"), hypothesis: query.get("heard") };
  const found = useUtterances(id, { profile, order, where, search: query.get("search") ?? "", said: confusion.reference, heard: confusion.hypothesis });
  const chosen = query.get("utterance") ?? found.rows[0]?.utterance ?? null;
  const activate = useSettled((each: Row) => ask({ utterance: each.utterance }), PASSING_MS);
  return (
    <div class="split">
      <section class="list" aria-label="Utterances">
        <div class="tools">
          <Search words={query.get("search") ?? ""} />
          <label>Order <select value={order} onChange={(event) => ask({ order: event.currentTarget.value === "errors" ? null : event.currentTarget.value })}>
            {ORDERS.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
          </select></label>
          <span class="quiet count" aria-live="polite">{found.total !== null && counted(found.total, "utterance")}</span>
        </div>
        {(where.length > 0 || isConfusion(confusion)) && (
          <p class="tags">
            {isConfusion(confusion) && <button type="button" title="Take this condition away" onClick={() => ask({ said: null, heard: null })}><Words confusion={confusion} /> ×</button>}
            {where.map((each) => {
              const [factor = "", value] = each.split(/=(.*)/s);
              return <button type="button" key={each} title="Take this condition away" onClick={() => ask({ where: joined(where.filter((one) => one !== each)) })}>{factorName(factor)} <b>{value || "unknown"}</b> ×</button>;
            })}
          </p>
        )}
        {found.problem && <Notice problem={found.problem} again={found.again} />}
        {found.warnings.map((each) => <p class="warning" key={each}>{each}</p>)}
        <VirtualTable
          label="Utterances" rows={found.rows} columns={COLUMNS} more={found.rows.length < (found.total ?? 0)} loadMore={found.loadMore}
          highlighted={chosen} activate={activate}
        />
        {found.total === 0 && <p class="nothing">No utterance is like that.</p>}
      </section>
      <section class="panels" aria-label="Utterance and groups">
        <PartChoice query={query} />
        {chosen !== null && <UtterancePanel evaluations={[id]} utterance={chosen} profile={profile} correct={correct} />}
        {query.get("part") === "errors" ? <ErrorProfile evaluation={id} profile={profile} query={query} /> : (
          <>
            <p class="quiet">Arrow keys in the list go from utterance to utterance.</p>
            {found.factors.length > 0 && <Breakdown evaluations={[id]} profile={profile} factors={found.factors} query={query} />}
          </>
        )}
      </section>
    </div>
  );
}

function PartChoice({ query }: { query: URLSearchParams }) {
  const kept = Object.fromEntries(query);
  return (
    <nav class="tabs" aria-label="Parts of the evaluation">
      {PARTS.map(([part, title]) => (
        <a key={title} href={address(location.pathname, { ...kept, part })} aria-current={query.get("part") === part ? "page" : undefined}>{title}</a>
      ))}
    </nav>
  );
}

function Search({ words }: { words: string }) {
  const [text, setText] = useState(words);
  useEffect(() => setText(words), [words]);
  const settle = useSettled((now: string) => ask({ search: now.trim(), utterance: null }), TYPING_MS);
  const typed = (now: string) => {
    setText(now);
    settle(now);
  };
  return <input type="search" aria-label="Utterances that contain" placeholder="Words, or an id…" value={text} onInput={(event) => typed(event.currentTarget.value)} />;
}

interface Question {
  profile: string | null;
  order: string;
  where: string[];
  search: string;
  said: string | null;
  heard: string | null;
}

interface Loaded {
  rows: Row[];
  total: number | null;
  factors: string[];
  warnings: string[];
  problem: Problem | null;
  loadMore: () => void;
  again: () => void;
}

/** The utterances page by page; all pages are of the first one's moment. */
function useUtterances(id: string, question: Question): Loaded {
  const [state, setState] = useState<{ rows: Row[]; total: number | null; factors: string[]; warnings: string[]; vector: string; problem: Problem | null }>({ rows: [], total: null, factors: [], warnings: [], vector: "", problem: null });
  const [turn, setTurn] = useState(0);
  const loading = useRef(false);
  const asOf = shownMoment();
  const asked = JSON.stringify([id, question, asOf]);
  const page = (more: Record<string, string | number | null>, signal?: AbortSignal) =>
    get<UtterancePage>(`/evaluations/${id}/utterances`, { ...question, limit: PAGE, ...more }, signal);
  useEffect(() => {
    const abort = new AbortController();
    loading.current = true;
    page({ as_of: asOf }, abort.signal).then(
      ({ utterances, total, factors, warnings, vector }) => {
        loading.current = false;
        setState({ rows: rowsOf(utterances), total, factors, warnings, vector, problem: null });
      },
      (problem) => {
        if (abort.signal.aborted) return;
        loading.current = false;
        setState((now) => ({ ...now, problem }));
      },
    );
    return () => abort.abort();
  }, [asked, turn]);
  const loadMore = useCallback(async () => {
    if (loading.current || !state.vector) return;
    loading.current = true;
    try {
      const next = await page({ skip: state.rows.length, as_of: state.vector });
      setState((now) => (now.rows === state.rows ? { ...now, rows: [...now.rows, ...rowsOf(next.utterances)] } : now));
    } catch (problem) {
      setState((now) => ({ ...now, problem: problem as Problem, total: now.rows.length }));
    } finally {
      loading.current = false;
    }
  }, [asked, state.rows]);
  return { ...state, loadMore, again: () => setTurn((now) => now + 1) };
}

function rowsOf(utterances: readonly Utterance[]): Row[] {
  return utterances.map((each) => ({ ...each, id: each.utterance }));
}
