import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { mayEdit, Problem, send, type Me } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { differs, draftOf, keepDraft, type Draft } from "../logic/drafts";
import { frozenAt } from "../logic/panel_form";
import { panelText, type PanelText } from "../logic/panel_text";
import { panelsIn } from "../logic/report_body";
import { positionNow, positionText, type Report } from "../logic/reports";
import { address, askBeforeLeaving, go } from "../logic/route";
import { useSettled } from "../logic/settled";
import { useTitle } from "../logic/title";
import { Notice } from "../parts/notice";
import { ReportText } from "../parts/report_text";

const SHOWN_AFTER_MS = 350;
const EMPTY: Draft = { title: "", body: "", as_of: null, based_on: 0 };

/** Examples, for whoever would rather write than choose on a view. */
const EXAMPLES: [string, PanelText][] = [
  ["Leaderboard", { kind: "leaderboard", values: { filter: "task = 'asr'", intervals: "yes" } }],
  ["Chart", { kind: "chart", values: { filter: "task = 'asr'", metrics: ["train_loss"], limit: "5" } }],
  ["Runs", { kind: "runs", values: { filter: "status = 'finished'", columns: ["status", "experiment", "duration"], limit: "10" } }],
];

export function NewReport({ me }: { me: Me }) {
  return <Editor id="new" saved={EMPTY} moments={{}} me={me} />;
}

export function EditReport({ id, me }: { id: string; me: Me }) {
  const { answer, problem, again } = useAnswer<Report>(`/reports/${encodeURIComponent(id)}`, {}, { present: true });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  const { title, body, as_of, revision, moments } = answer;
  return <Editor id={id} saved={{ title, body, as_of, based_on: revision }} moments={moments} me={me} />;
}

interface Props {
  id: string;
  saved: Draft;
  moments: Readonly<Record<string, string>>;
  me: Me;
}

/** Markdown on one side, the report on the other; on a phone below. */
function Editor({ id, saved, moments: dated, me }: Props) {
  const kept = useRef(draftOf(id));
  const [draft, setDraft] = useState<Draft>(kept.current ?? saved);
  const [shown, setShown] = useState(draft.body);
  const [moments, setMoments] = useState(dated);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const latest = useRef(draft);
  latest.current = draft;
  const settle = useSettled(setShown, SHOWN_AFTER_MS);
  const changed = differs(draft, saved);
  useTitle(draft.title.trim() || "New report", "being written");

  const change = (next: Partial<Draft>) => {
    const now = { ...latest.current, ...next };
    setDraft(now);
    latest.current = now;
    keepDraft(id, differs(now, saved) ? now : null);
    if (next.body !== undefined) settle(next.body);
  };
  const save = useCallback(async (based_on = latest.current.based_on) => {
    if (!latest.current.title.trim()) return setProblem(new Problem(0, "Give the report a title.", "title"));
    setBusy(true);
    try {
      const { title, body, as_of } = latest.current;
      const done = id === "new" ? await send<Report>("POST", "/reports", { title, body, as_of }) : await send<Report>("PUT", `/reports/${id}`, { title, body, as_of, based_on });
      keepDraft(id, null);
      askBeforeLeaving(null);
      go(address(`/reports/${done.id}`));
    } catch (error) {
      setProblem(error as Problem);
      setBusy(false);
    }
  }, [id]);
  useLeavingAsked(changed && !busy);
  useSaveKey(save);

  const freeze = async (line: number | null, frozen: boolean) => {
    try {
      const vector = frozen ? await positionNow() : null;
      if (vector) setMoments((now) => ({ ...now, [vector]: new Date().toISOString() }));
      if (line === null) return change({ as_of: vector });
      const body = frozenAt(latest.current.body, line, vector);
      change({ body });
      setShown(body);
    } catch (error) {
      setProblem(error as Problem);
    }
  };
  const insert = (text: string) => {
    const { body } = latest.current;
    const at = box.current!.selectionEnd;
    const [before, after] = [body.slice(0, at).trimEnd(), body.slice(at).trimStart()];
    const next = `${before && `${before}\n\n`}${text}${after && `\n${after}`}`;
    change({ body: next });
    setShown(next);
    box.current!.focus();
  };
  if (!mayEdit(me)) return <Notice problem={new Problem(403, "Reports are written with a key of the role editor; yours only reads.")} />;
  const errors = panelsIn(shown).flatMap((each) => each.errors);
  return (
    <div class="report-edit">
      <header>
        <h1 class="unseen">{id === "new" ? "New report" : `Edit ${saved.title}`}</h1>
        <input class="title" type="text" aria-label="Title" placeholder="Title" maxLength={200} value={draft.title} autofocus={id === "new"} aria-invalid={problem?.field === "title" || undefined} onInput={(event) => change({ title: event.currentTarget.value })} />
        <div class="tools">
          <button type="button" class="main" disabled={busy || (!changed && id !== "new")} aria-keyshortcuts="Control+S" title="Ctrl-S" onClick={() => void save()}>Save</button>
          <a class="button" href={address(id === "new" ? "/reports" : `/reports/${id}`)}>{changed ? "Leave" : "Back"}</a>
          <label>Panels <select value={draft.as_of ? "frozen" : "live"} onChange={(event) => void freeze(null, event.currentTarget.value === "frozen")}>
            <option value="live">live</option>
            <option value="frozen">{draft.as_of ? `all frozen: ${positionText(draft.as_of, moments)}` : "freeze all now"}</option>
          </select></label>
          <span class="quiet" role="status">{changed ? "Not saved yet; kept in this browser." : ""}</span>
        </div>
        {kept.current && differs(kept.current, saved) && <Kept draft={kept.current} saved={saved} discard={() => { kept.current = null; change(saved); setShown(saved.body); }} />}
        {problem && <Failure problem={problem} id={id} over={(revision) => void save(revision)} />}
      </header>
      <div class="sides">
        <section aria-label="Markdown">
          <div class="tools">
            <span class="quiet">A panel, as an example:</span>
            {EXAMPLES.map(([name, panel]) => <button type="button" class="plain" key={name} onClick={() => insert(panelText(panel))}>{name}</button>)}
          </div>
          <textarea ref={box} aria-label="Text of the report, in Markdown" spellcheck value={draft.body} maxLength={200_000} onInput={(event) => change({ body: event.currentTarget.value })} />
          {errors.length > 0 && (
            <ul class="panel-errors" aria-label="What is wrong in panels">
              {errors.map((each, i) => <li key={i}><button type="button" class="link" onClick={() => toLine(box.current!, each.line)}>Line {each.line}</button> {each.text}</li>)}
            </ul>
          )}
        </section>
        <section class="preview-side" aria-label="Preview" tabIndex={0}>
          <article class="report">
            <header><h1>{draft.title || <span class="quiet">Title</span>}</h1></header>
            {shown.trim() ? <ReportText body={shown} position={draft.as_of} moments={moments} told={() => {}} freeze={(line, frozen) => void freeze(line, frozen)} /> : <Hint />}
          </article>
        </section>
      </div>
    </div>
  );
}

function Hint() {
  return (
    <p class="quiet">Here the report is seen as it is written. Panels come from the views: <b>Add to report…</b> is in the Export menu of leaderboards, tables of runs and charts.</p>
  );
}

/** The browser asks before it closes, and this page before it goes to another view. */
function useLeavingAsked(changed: boolean): void {
  useEffect(() => {
    if (!changed) return;
    const closing = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", closing);
    askBeforeLeaving(() => confirm("Your changes are not saved. Leave all the same? They are kept in this browser."));
    return () => {
      removeEventListener("beforeunload", closing);
      askBeforeLeaving(null);
    };
  }, [changed]);
}

function useSaveKey(save: () => Promise<void>): void {
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
      event.preventDefault();
      void save();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [save]);
}

function Kept({ draft, saved, discard }: { draft: Draft; saved: Draft; discard: () => void }) {
  return (
    <p class="older" role="status">
      <span>What you had not saved is back{draft.based_on !== saved.based_on && <>; it changes revision {draft.based_on}, and there is revision {saved.based_on} by now</>}.</span>
      <button type="button" onClick={discard}>Discard it</button>
    </p>
  );
}

/** A conflict can be looked at, and then be decided: the other revision stays in any case. */
function Failure({ problem, id, over }: { problem: Problem; id: string; over: (revision: number) => void }) {
  const newer = problem.status === 409 ? Number(/revision (\d+)/.exec(problem.detail)?.[1]) : NaN;
  return (
    <>
      <Notice problem={problem} />
      {newer > 0 && (
        <p class="choice">
          <a class="button" href={address(`/reports/${id}`)} target="_blank">See revision {newer}</a>
          <button type="button" onClick={() => over(newer)}>Save mine as revision {newer + 1}</button>
        </p>
      )}
    </>
  );
}

function toLine(box: HTMLTextAreaElement, line: number): void {
  const lines = box.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  box.focus();
  box.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  box.scrollTop = (box.scrollHeight / Math.max(1, lines.length)) * (line - 4);
}
