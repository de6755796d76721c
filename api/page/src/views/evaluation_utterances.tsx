import { useEffect, useState } from "preact/hooks";
import { useAnswer } from "../logic/asking";
import { isConfusion, type Evaluation, type Utterance, type UtterancePage } from "../logic/evaluations";
import { usePages } from "../logic/pages";
import { ask, joined, list, shownShare } from "../logic/route";
import { counted } from "../logic/scores";
import { useSettled } from "../logic/settled";
import { MOST_TESTED, withTheBest } from "../logic/significance";
import { Breakdown, factorName } from "../parts/breakdown";
import type { Corrected } from "../parts/correction";
import { ErrorProfile, Words } from "../parts/error_profile";
import { ToReport } from "../parts/export_menu";
import { Notice } from "../parts/notice";
import { SignificancePanel } from "../parts/significance";
import { VirtualTable, type TableColumn } from "../parts/table";
import { Tabs } from "../parts/tabs";
import { UtterancePanel } from "../parts/utterance";

interface Props {
  id: string;
  testSet: string | null;
  profile: string | null;
  query: URLSearchParams;
  /** The registered set whose references may be changed, and what is done afterwards. */
  correct: { testSet: string; done: (corrected: Corrected) => void } | null;
}

type Row = Utterance & { id: string };

const PAGE = 200;
const MOST_LISTED = 500;
const TYPING_MS = 50;
const PASSING_MS = 120;
const ORDERS = [
  ["errors", "Most errors first"],
  ["rate", "Highest rate first"],
  ["list", "As in the set"],
] as const;

const PARTS = [
  [null, "Words and groups"],
  ["errors", "Error profile"],
  ["significance", "Against others"],
] as const;

const COLUMNS: TableColumn<Row>[] = [
  { id: "errors", title: "Errors", width: 64, numeric: true, cell: (row) => (row.hypothesis === null ? "none" : row.errors) },
  { id: "tokens", title: "Of", width: 52, numeric: true, cell: (row) => <span class="quiet">{row.tokens}</span> },
  { id: "utterance", title: "Utterance", width: 150, cell: (row) => <span title={row.mark ? `doubtful: ${row.mark.note}` : row.utterance}>{row.mark && <><span class="differs" aria-hidden="true">⚑ </span><span class="unseen">marked </span></>}{row.utterance}</span> },
  { id: "speaker", title: "Speaker", width: 90, cell: (row) => row.speaker },
  { id: "reference", title: "Reference", width: 420, cell: (row) => <span title={row.reference}>{row.reference}</span> },
];

/** The utterances beside the alignment of the one that is gone to, and what groups of them have in common. */
export function Utterances({ id, testSet, profile, query, correct }: Props) {
  const order = query.get("order") ?? "errors";
  const where = list(query.get("where"));
  const marked = query.has("marked");
  const confusion = { reference: query.get("said"), hypothesis: query.get("heard") };
  const question = { profile, order, where, search: query.get("search") ?? "", said: confusion.reference, heard: confusion.hypothesis, marked: marked || null, limit: PAGE };
  const { first, ...found } = usePages(`/evaluations/${id}/utterances`, question, rowsOf, followingOf);
  const chosen = query.get("utterance") ?? found.rows[0]?.utterance ?? null;
  const part = query.get("part");
  const [settled, setSettled] = useState(false);
  const activate = useSettled((each: Row) => ask({ utterance: each.utterance }), PASSING_MS);
  return (
    <div class="split">
      <section class="list" aria-label="Utterances">
        <div class="tools">
          <Search words={query.get("search") ?? ""} />
          <label>Order <select value={order} onChange={(event) => ask({ order: event.currentTarget.value === "errors" ? null : event.currentTarget.value })}>
            {ORDERS.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
          </select></label>
          <span class="quiet count" aria-live="polite">{first && counted(first.total, "utterance")}</span>
        </div>
        {first && (first.marked > 0 || marked) && <p><label><input type="checkbox" checked={marked} onChange={() => ask({ marked: marked ? null : "1", utterance: null })} /> Only the <b>{first.marked}</b> whose reference is marked as doubtful</label></p>}
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
        {first?.warnings.map((each) => <p class="warning" key={each}>{each}</p>)}
        <VirtualTable
          label="Utterances" rows={found.rows} columns={COLUMNS} more={found.more} loadMore={found.loadMore}
          highlighted={chosen} activate={activate}
        />
        {first?.total === 0 && <p class="nothing">No utterance is like that.</p>}
      </section>
      <section class="panels" aria-label="Utterance and groups">
        <Tabs label="Parts of the evaluation" parts={shownShare() ? PARTS.filter(([part]) => part !== "significance") : PARTS} query={query} />
        {part === "significance" && testSet !== null && <AgainstOthers id={id} testSet={testSet} profile={profile} query={query} />}
        {part !== "significance" && chosen !== null && <UtterancePanel evaluations={[id]} utterance={chosen} profile={profile} correct={correct && { ...correct, marked: found.again }} settled={() => setSettled(true)} />}
        {part !== "significance" && chosen !== null && <p><ToReport panel={{ kind: "alignment", values: { evaluations: [id], utterance: chosen, profile } }} name={chosen} /></p>}
        {part === "errors" && <ErrorProfile evaluation={id} profile={profile} query={query} />}
        {part === null && (
          <>
            <p class="quiet">Arrow keys in the list go from utterance to utterance.</p>
            {first && first.factors.length > 0 && (settled || chosen === null) && <Breakdown evaluations={[id]} profile={profile} factors={first.factors} query={query} />}
          </>
        )}
      </section>
    </div>
  );
}

/** The systems of the set that have the fewest errors, and this one; a shared link of one evaluation knows no others. */
function AgainstOthers({ id, testSet, profile, query }: { id: string; testSet: string; profile: string | null; query: URLSearchParams }) {
  const { answer, problem, again } = useAnswer<{ evaluations: Evaluation[] }>("/evaluations", { test_set: testSet, profile, limit: MOST_LISTED });
  if (problem) return <Notice problem={problem} again={again} />;
  return answer && <SignificancePanel evaluations={withTheBest(id, answer.evaluations, MOST_TESTED)} profile={profile} query={query} />;
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

function rowsOf({ utterances }: UtterancePage): Row[] {
  return utterances.map((each) => ({ ...each, id: each.utterance }));
}

/** All pages are of the first one's moment. */
function followingOf({ total, vector }: UtterancePage, rows: number): { skip: number; as_of: string } | null {
  return rows < total ? { skip: rows, as_of: vector } : null;
}
