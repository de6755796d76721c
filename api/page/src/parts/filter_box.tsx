import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../logic/api";
import { completed, placeAt, type Place } from "../logic/completion";
import { useCompletions } from "./completions";

interface Props {
  value: string;
  problem: Problem | null;
  submit: (text: string) => void;
}

/** The filter language in one line with what may come next; an error of the server stands under the place that it is about. */
export function FilterBox({ value, problem, submit }: Props) {
  const [text, setText] = useState(value);
  const [place, setPlace] = useState<Place | null>(null);
  const [chosen, choose] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const choices = useCompletions(place);
  useEffect(() => setText(value), [value]);
  useEffect(() => choose(-1), [choices]);
  const look = () => setPlace(placeAt(input.current!.value, input.current!.selectionStart ?? 0));
  const typed = () => {
    setText(input.current!.value);
    look();
  };
  const take = (choice: string) => {
    const next = completed(text, place!, choice);
    setText(next.text);
    input.current!.value = next.text;
    input.current!.focus();
    input.current!.setSelectionRange(next.caret, next.caret);
    choose(-1); // what comes next is still asked for: Enter must not take the same again
    look();
  };
  const send = (now: string) => {
    setPlace(null);
    submit(now.trim());
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && place) setPlace(null);
    else if (!choices.length) return;
    else if (step) choose((now) => Math.max(-1, Math.min(choices.length - 1, now + step)));
    else if (event.key === "Enter" && chosen >= 0) take(choices[chosen]!);
    else if (event.key === "Tab" && (chosen >= 0 || place!.typed)) take(choices[Math.max(0, chosen)]!);
    else return;
    event.preventDefault();
  };
  const wrong = problem && problem.position !== null ? problem : null;
  return (
    <form class="filter" role="search" onSubmit={(event) => { event.preventDefault(); send(input.current!.value); }}>
      <input
        ref={input} type="search" list={undefined} spellcheck={false} autocomplete="off" autocapitalize="off" aria-label="Filter" value={text}
        role="combobox" aria-expanded={choices.length > 0} aria-controls="filter-choices" aria-autocomplete="list"
        aria-activedescendant={chosen >= 0 ? `filter-choice-${chosen}` : undefined}
        placeholder="task = 'asr' and params.encoder_layers >= 12 and wer['test-clean'] < 0.05"
        aria-invalid={wrong ? true : undefined} aria-describedby={wrong ? "filter-error" : undefined}
        onInput={typed} onClick={look} onKeyDown={keys} onBlur={() => setPlace(null)}
        onKeyUp={(event) => (event.key === "ArrowLeft" || event.key === "ArrowRight") && look()}
        onSearch={(event: Event) => (event.currentTarget as HTMLInputElement).value === "" && send("")}
      />
      <ul class="completions" id="filter-choices" role="listbox" aria-label="What may come next" hidden={!choices.length}>
        {choices.map((each, i) => (
          // The box keeps the focus: a click must not blur it first.
          <li key={each} id={`filter-choice-${i}`} role="option" aria-selected={i === chosen} onMouseDown={(event) => { event.preventDefault(); take(each); }}>{each}</li>
        ))}
      </ul>
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
