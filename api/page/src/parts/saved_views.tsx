import { useState } from "preact/hooks";
import { address } from "../logic/route";

const KEPT = "tracker-views";

interface View {
  name: string;
  /** The query of its address. */
  query: string;
}

function kept(): View[] {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "[]") as View[];
    return found.filter((each) => typeof each.name === "string" && typeof each.query === "string");
  } catch {
    return [];
  }
}

/** Views of the table under names, kept in this browser; their addresses work everywhere. */
export function SavedViews() {
  const [open, setOpen] = useState(false);
  const [views, setViews] = useState(kept);
  const [name, setName] = useState("");
  const keep = (next: View[]) => {
    localStorage.setItem(KEPT, JSON.stringify(next));
    setViews(next);
  };
  const save = (event: Event) => {
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    query.delete("as_of");
    if (name.trim()) keep([...views.filter((each) => each.name !== name.trim()), { name: name.trim(), query: query.toString() }]);
    setName("");
  };
  return (
    <details class="menu" open={open} onToggle={(event) => setOpen(event.currentTarget.open)} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <summary>Views</summary>
      {open && (
        <div class="choices">
          <form class="choice" onSubmit={save}>
            <input type="search" aria-label="Name of this view" placeholder="Name of this view…" value={name} onInput={(event) => setName(event.currentTarget.value)} />
            <button type="submit" disabled={!name.trim()}>Save</button>
          </form>
          <ul class="kept">
            {views.map((each) => (
              <li key={each.name}>
                <a href={address("/runs", Object.fromEntries(new URLSearchParams(each.query)))} onClick={() => setOpen(false)}>{each.name}</a>
                <button type="button" class="plain" aria-label={`Forget the view ${each.name}`} onClick={() => keep(views.filter((one) => one !== each))}>×</button>
              </li>
            ))}
          </ul>
          <p class="quiet">Filter, order, groups, columns and charts. Names are kept in this browser; the address of a view shows it to anybody.</p>
        </div>
      )}
    </details>
  );
}
