import { useRef, useState } from "preact/hooks";
import { send, type Problem } from "../logic/api";
import type { Mark } from "../logic/evaluations";
import { ago } from "../logic/format";
import { Notice } from "./notice";

interface Props {
  testSet: string;
  utterance: string;
  mark: Mark | null;
  done: () => void;
}

/** Says that a reference is doubtful without correcting it, or that it was looked at and is right. */
export function MarkChoice({ testSet, utterance, mark, done }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const note = String(new FormData(event.currentTarget as HTMLFormElement).get("note")).trim();
    setSending(true);
    setProblem(null);
    try {
      await send("POST", "/marks", { test_set: testSet, utterance, note, doubtful: !mark });
      dialog.current!.close();
      done();
    } catch (problem) {
      setProblem(problem as Problem);
    } finally {
      setSending(false);
    }
  };
  return (
    <>
      <button type="button" onClick={() => { setProblem(null); dialog.current!.showModal(); }}>{mark ? "Dismiss the mark…" : "Mark as doubtful…"}</button>
      <dialog ref={dialog} class="correction" aria-labelledby="mark-title">
        <form onSubmit={submit} key={`${utterance} ${mark?.time}`}>
          <h2 id="mark-title">{mark ? "The reference is right" : "The reference is doubtful"}: {utterance}</h2>
          {mark && <Marked mark={mark} />}
          <label for="mark-note">{mark ? "Why it is right" : "What is doubtful"}</label>
          <input id="mark-note" name="note" maxLength={500} required={!mark} placeholder={mark ? "Heard again: it is what she says" : "Cut off at the end; two people speak; …"} />
          <p class="quiet">{mark ? "No score changes; who dismissed it, and why, stays known." : `No score changes. Everybody sees the mark, and finds it among the marked ones of ${testSet}; a correction settles it.`}</p>
          {problem && <Notice problem={problem} />}
          <div class="choice">
            <button type="button" onClick={() => dialog.current!.close()}>Cancel</button>
            <button class="main" disabled={sending}>{mark ? "Dismiss it" : "Mark it"}</button>
          </div>
        </form>
      </dialog>
    </>
  );
}

export function Marked({ mark }: { mark: Mark }) {
  return <p class="marked"><b>The reference is doubted:</b> {mark.note} <span class="quiet">{[mark.by, ago(mark.time)].filter(Boolean).join(", ")}</span></p>;
}
