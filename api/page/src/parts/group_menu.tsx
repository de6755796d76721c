import { useEffect, useState } from "preact/hooks";
import { matching } from "../logic/completion";
import { fields } from "./completions";

interface Props {
  chosen: readonly string[];
  choose: (fields: string[]) => void;
}

/** As many as the server groups by at once. */
const MOST_FIELDS = 4;
const MOST_SHOWN = 40;
const NO_GROUPS = /^(id|name|notes|error|created|updated|started|finished|heartbeat|duration|description)$|^metrics\b|^\w+\['/;
const FIRST = ["experiment", "task", "language", "domain", "model_type", "status", "user", "test_set"];

/** What the runs are grouped by: any field of the filter language that has values in common. */
export function GroupMenu({ chosen, choose }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <details class="menu" open={open} onToggle={(event) => setOpen(event.currentTarget.open)} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <summary>{chosen.length ? `By ${chosen.join(", ")}` : "Group"}</summary>
      {open && <Choices chosen={chosen} choose={choose} />}
    </details>
  );
}

function Choices({ chosen, choose }: Props) {
  const [words, setWords] = useState("");
  const [names, setNames] = useState(FIRST);
  useEffect(() => {
    fields().then((all) => setNames([...new Set([...FIRST, ...all.filter((each) => !NO_GROUPS.test(each) || /^(params|tags)\b/.test(each))])]), () => {});
  }, []);
  const toggle = (name: string) => choose(chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name].slice(-MOST_FIELDS));
  const shown = matching(names.filter((each) => !chosen.includes(each)), words, MOST_SHOWN);
  return (
    <div class="choices">
      <input type="search" aria-label="Groups by fields that contain" placeholder="Group by…" value={words} onInput={(event) => setWords(event.currentTarget.value)} autofocus />
      <fieldset>
        <legend>Up to {MOST_FIELDS} fields; numbers of the table become mean ± deviation</legend>
        {[...chosen, ...shown].map((each) => (
          <label key={each}><input type="checkbox" checked={chosen.includes(each)} onChange={() => toggle(each)} /> {each}</label>
        ))}
      </fieldset>
    </div>
  );
}
