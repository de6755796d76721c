import { useState } from "preact/hooks";
import { useAnswer } from "../logic/asking";
import { column, moved, PLAIN_COLUMNS, resultId } from "../logic/columns";

interface Props {
  chosen: readonly string[];
  choose: (columns: string[]) => void;
  /** Of the chosen, those that stay in sight beside the name. */
  pinned: readonly string[];
  pin: (columns: string[]) => void;
}

interface Values {
  values: { value: string }[];
}

interface TestSets {
  test_sets: { test_set: string; metrics: string[] }[];
}

/** Which columns the table has: fields of runs, results, metrics, parameters and tags. */
export function ColumnsMenu(props: Props) {
  const [open, setOpen] = useState(false);
  return (
    <details class="menu" open={open} onToggle={(event) => setOpen(event.currentTarget.open)} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <summary>Columns</summary>
      {open && <Choices {...props} />}
    </details>
  );
}

function Choices({ chosen, choose, pinned, pin }: Props) {
  const [words, setWords] = useState("");
  const metrics = useAnswer<Values>("/values", { field: "metrics", limit: 300 });
  const params = useAnswer<Values>("/values", { field: "params", limit: 300 });
  const tags = useAnswer<Values>("/values", { field: "tags", limit: 300 });
  const sets = useAnswer<TestSets>("/test-sets");
  const keys = (root: string, found: Values | null) => (found?.values ?? []).map((each) => `${root}.${each.value}`);
  const results = (sets.answer?.test_sets ?? []).flatMap((each) => each.metrics.map((metric) => resultId(metric, each.test_set)));
  const groups: [string, string[]][] = [
    ["Run", PLAIN_COLUMNS],
    ["Results on test sets", results],
    ["Metrics, last value", keys("metrics", metrics.answer)],
    ["Parameters", keys("params", params.answer)],
    ["Tags", keys("tags", tags.answer)],
  ];
  const toggle = (id: string) => choose(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]);
  return (
    <div class="choices">
      <input type="search" aria-label="Columns that contain" placeholder="Find a column…" value={words} onInput={(event) => setWords(event.currentTarget.value)} autofocus />
      <fieldset>
        <legend>Chosen, in their order</legend>
        {chosen.map((id, place) => {
          const title = column(id)?.hint ?? column(id)?.title ?? id;
          return (
            <div key={id} class="line">
              <label><input type="checkbox" checked onChange={() => toggle(id)} /> {title}</label>
              <button type="button" class="plain" aria-pressed={pinned.includes(id)} aria-label={`Pin ${title}`} title="Stays beside the name" onClick={() => pin(pinned.includes(id) ? pinned.filter((each) => each !== id) : [...pinned, id])}>pin</button>
              <button type="button" class="plain" disabled={!place} aria-label={`${title} further left`} onClick={() => choose(moved(chosen, id, chosen[place - 1]!))}>↑</button>
              <button type="button" class="plain" disabled={place === chosen.length - 1} aria-label={`${title} further right`} onClick={() => choose(moved(chosen, id, chosen[place + 1]!))}>↓</button>
            </div>
          );
        })}
      </fieldset>
      {groups.map(([title, ids]) => {
        const shown = ids.filter((id) => !chosen.includes(id) && `${id} ${column(id)?.title}`.toLowerCase().includes(words.toLowerCase()));
        return shown.length > 0 && (
          <fieldset key={title}>
            <legend>{title}</legend>
            {shown.map((id) => (
              <label key={id}><input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} /> {column(id)?.hint ?? column(id)?.title ?? id}</label>
            ))}
          </fieldset>
        );
      })}
    </div>
  );
}
