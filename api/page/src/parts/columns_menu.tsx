import { useState } from "preact/hooks";
import { useAnswer } from "../logic/asking";
import { column, PLAIN_COLUMNS, resultId } from "../logic/columns";

interface Props {
  chosen: readonly string[];
  choose: (columns: string[]) => void;
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

function Choices({ chosen, choose }: Props) {
  const [words, setWords] = useState("");
  const metrics = useAnswer<Values>("/values", { field: "metrics", limit: 300 });
  const params = useAnswer<Values>("/values", { field: "params", limit: 300 });
  const tags = useAnswer<Values>("/values", { field: "tags", limit: 300 });
  const sets = useAnswer<TestSets>("/test-sets");
  const keys = (root: string, found: Values | null) => (found?.values ?? []).map((each) => `${root}.${each.value}`);
  const results = (sets.answer?.test_sets ?? []).flatMap((each) => each.metrics.map((metric) => resultId(metric, each.test_set)));
  const groups: [string, string[]][] = [
    ["Chosen", [...chosen]],
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
      {groups.map(([title, ids]) => {
        const shown = ids.filter((id) => (title === "Chosen" || !chosen.includes(id)) && `${id} ${column(id)?.title}`.toLowerCase().includes(words.toLowerCase()));
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
