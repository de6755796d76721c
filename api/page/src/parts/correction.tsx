import { useRef, useState } from "preact/hooks";
import { send, type Problem } from "../logic/api";
import { Notice } from "./notice";

/** revision: the newest before it; scored: whether every system has its new score. */
export interface Corrected {
  utterance: string;
  revision: number;
  scored: boolean;
}

interface Props {
  testSet: string;
  utterance: string;
  reference: string;
  done: (corrected: Corrected) => void;
}

/** Asks what was really said, and why; the answer is a revision of the set, on which every system is scored again. */
export function CorrectionChoice({ testSet, utterance, reference, done }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    setSending(true);
    setProblem(null);
    try {
      const wanted = { test_set: testSet, utterance, reference: String(given.get("reference")).trim(), reason: String(given.get("reason")).trim(), instead_of: reference };
      const corrected = await send<Corrected>("POST", "/corrections", wanted);
      dialog.current!.close();
      done(corrected);
    } catch (problem) {
      setProblem(problem as Problem);
    } finally {
      setSending(false);
    }
  };
  return (
    <>
      <button type="button" onClick={() => { setProblem(null); dialog.current!.showModal(); }}>Correct the reference…</button>
      <dialog ref={dialog} class="correction" aria-labelledby="correction-title">
        <form onSubmit={submit} key={`${utterance} ${reference}`}>
          <h2 id="correction-title">Reference of {utterance}</h2>
          <b>It says</b>
          <p class="was">{reference || <span class="quiet">nothing</span>}</p>
          <label for="correction-reference">It should say</label>
          <textarea id="correction-reference" name="reference" rows={3} defaultValue={reference} />
          <label for="correction-reason">Why</label>
          <input id="correction-reason" name="reason" maxLength={500} required placeholder="Heard again: she says …" />
          <p class="quiet">Every system on {testSet} is scored again, for everybody. Answers about the past stay as they were; the set's revisions tell who changed what, and why.</p>
          {problem && <Notice problem={problem} />}
          <div class="choice">
            <button type="button" onClick={() => dialog.current!.close()}>Cancel</button>
            <button class="main" disabled={sending}>{sending ? "Scoring again…" : "Correct it"}</button>
          </div>
        </form>
      </dialog>
    </>
  );
}
