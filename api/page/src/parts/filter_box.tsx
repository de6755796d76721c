import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../logic/api";

interface Props {
  value: string;
  problem: Problem | null;
  submit: (text: string) => void;
}

/** The filter language in one line; an error of the server stands under the place that it is about. */
export function FilterBox({ value, problem, submit }: Props) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const wrong = problem && problem.position !== null ? problem : null;
  return (
    <form class="filter" role="search" onSubmit={(event) => { event.preventDefault(); submit(text.trim()); }}>
      <input
        type="search" spellcheck={false} autocomplete="off" autocapitalize="off" aria-label="Filter" value={text}
        placeholder="task = 'asr' and params.encoder_layers >= 12 and wer['test-clean'] < 0.05"
        aria-invalid={wrong ? true : undefined} aria-describedby={wrong ? "filter-error" : undefined}
        onInput={(event) => setText(event.currentTarget.value)}
        onSearch={(event: Event) => (event.currentTarget as HTMLInputElement).value === "" && submit("")}
      />
      {wrong && <FilterError text={value} problem={wrong} />}
    </form>
  );
}

function FilterError({ text, problem }: { text: string; problem: Problem }) {
  const place = Math.min(problem.position ?? 0, text.length);
  const end = Math.max(place + 1, place + (/^[\w.]+/.exec(text.slice(place))?.[0].length ?? 1));
  return (
    <div class="filter-error" id="filter-error" role="alert">
      <code>{text.slice(0, place)}<mark>{text.slice(place, end) || "␣"}</mark>{text.slice(end)}</code>
      <p>{problem.detail}{problem.hint && !problem.detail.includes(problem.hint) ? ` ${problem.hint}` : ""}</p>
    </div>
  );
}
