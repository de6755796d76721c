import type { ComponentChildren } from "preact";
import type { Problem } from "../logic/api";
import { shownMoment } from "../logic/route";

/** What went wrong, and what to do about it. */
export function Notice({ problem, again }: { problem: Problem; again?: () => void }) {
  const words = problem.detail || "Something of this page failed.";
  return (
    <div class="notice" role="alert">
      <p>{coded(words[0]!.toUpperCase() + words.slice(1))}</p>
      {problem.hint && <p>{coded(problem.hint)}</p>}
      {problem.requestId && problem.status >= 500 && <p class="quiet">Request {problem.requestId}, to be found in the server's log.</p>}
      {again && problem.status !== 403 && <button type="button" onClick={again}>Try again</button>}
    </div>
  );
}

/** What the server writes between backticks is to be typed as it is. */
function coded(words: string): ComponentChildren {
  return words.split("`").map((part, place) => (place % 2 ? <code key={place}>{part}</code> : part));
}

/** The three lines that fill an empty page. */
export function FirstSteps({ title }: { title: string }) {
  return (
    <section class="empty" aria-label="First steps">
      <h1>{title}</h1>
      <p>Put three lines around your training loop; its runs appear here as they go.</p>
      <pre tabIndex={0}><code>{`import speech_experiment_tracker as tracker

experiment = tracker.Client().create_experiment("Conformer ASR", task="asr")
with experiment.start_run("first try") as run:
    run.log_config(vars(args))
    for step, batch in enumerate(batches):
        run.log_metrics({"train_loss": loss}, step=step)`}</code></pre>
      <p>On another machine, say first where this server is, with a key from <code>speech-tracker key create --role editor</code>:</p>
      <pre tabIndex={0}><code>{`export SPEECH_TRACKER_URL=${location.origin}
export SPEECH_TRACKER_API_KEY=stk_…`}</code></pre>
      <p>To look around first, <code>speech-tracker demo</code> trains and scores a few small systems.</p>
    </section>
  );
}

/** For what has no past: it is not of the moment that the page shows. */
export function PresentAlone() {
  return shownMoment() === null ? null : <p class="warning">This has no past: it is shown as it is now.</p>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

export function Status({ status }: { status: string }) {
  return <span class={`status ${status.replace(/ /g, "-")}`}>{status}</span>;
}
