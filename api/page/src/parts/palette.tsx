import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { lit, LONGEST, placesOf, useFound, wordsOf, type Group, type Place } from "../logic/finding";
import { address, go } from "../logic/route";
import { NAVIGATION } from "../views";
import { Notice } from "./notice";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

/** The button that opens the search, and teaches the keys that do. */
export function Search() {
  const [open, setOpen] = useState(false);
  // At once, not after the next frame: whoever knows the keys types on without a look.
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(MAC ? event.metaKey : event.ctrlKey) || event.shiftKey || event.altKey) return;
      event.preventDefault();
      setOpen((now) => now || !document.querySelector("dialog[open]"));
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  return (
    <>
      <button type="button" class="search" aria-haspopup="dialog" aria-keyshortcuts={MAC ? "Meta+K" : "Control+K"} onClick={() => setOpen(true)}>
        Search <kbd>{MAC ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      {open && <Palette close={() => setOpen(false)} />}
    </>
  );
}

/** A dialog that finds whatever has a name: type, choose by arrow keys, go there by Enter. */
function Palette({ close }: { close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [text, setText] = useState("");
  const [active, setActive] = useState(0);
  /** Enter was pressed before the answer was there. */
  const [eager, setEager] = useState(false);
  const asked = text.trim();
  const found = useFound(asked);
  const current = found.of === asked;
  const words = wordsOf(asked);
  const groups = [...views(words), ...(found.named ? placesOf(found.named) : [])];
  const places = groups.flatMap((group) => group.places);

  // The browser gives the focus back to where it was when a modal dialog closes.
  useLayoutEffect(() => {
    const dialog = box.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  useEffect(() => setActive(0), [asked, found.of]);
  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active]);
  useEffect(() => {
    if (!eager || !current) return;
    setEager(false);
    open(places[0]);
  }, [eager, current]);

  const open = (place: Place | undefined) => {
    if (!place) return;
    box.current!.close();
    go(place.to);
  };
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setActive((now) => (places.length ? (now + step + places.length) % places.length : 0));
    else if (event.key === "Enter") current ? open(places[active]) : setEager(true);
    else return;
    event.preventDefault();
  };
  return (
    <dialog class="palette" ref={box} aria-label="Search" onClose={close} onClick={(event) => event.target === box.current && box.current?.close()}>
      <input
        type="text" role="combobox" list={undefined} aria-label="Search everything" aria-expanded="true" aria-controls={`${id}-list`} aria-autocomplete="list"
        aria-activedescendant={places.length ? `${id}-${active}` : undefined} placeholder="Experiments, runs, test sets, evaluations, reports, people…"
        autofocus spellcheck={false} autocomplete="off" maxLength={LONGEST} value={text}
        onInput={(event) => setText(event.currentTarget.value)} onKeyDown={press}
      />
      <div class="found" id={`${id}-list`} role="listbox" aria-label="Found" aria-busy={!current}>
        <Found groups={groups} words={words} active={active} id={id} opened={() => box.current!.close()} />
      </div>
      {found.problem && current && <Notice problem={found.problem} />}
      <p class="quiet" role="status">
        {current && asked && !found.problem && (places.length ? <span class="unseen">{places.length} found</span> : "Nothing has such a name.")}
      </p>
      <p class="quiet keys"><kbd>↑</kbd> <kbd>↓</kbd> choose <kbd>Enter</kbd> go there <kbd>Esc</kbd> close</p>
    </dialog>
  );
}

interface FoundProps {
  groups: readonly Group[];
  words: readonly string[];
  active: number;
  id: string;
  opened: () => void;
}

function Found({ groups, words, active, id, opened }: FoundProps) {
  let place = 0;
  return (
    <>
      {groups.map((group) => (
        <div role="group" key={group.title} aria-labelledby={`${id}-${group.title}`}>
          <h2 id={`${id}-${group.title}`} role="presentation">{group.title}</h2>
          {group.places.map((each) => {
            const mine = place++;
            return (
              <a
                key={each.key} id={`${id}-${mine}`} role="option" tabIndex={-1} href={each.to} aria-selected={mine === active}
                onClick={opened}
              >
                <span class="clip">{lit(each.title, words).map((piece, i) => (piece.lit ? <mark key={i}>{piece.text}</mark> : piece.text))}</span>
                {each.about && <span class="quiet clip">{each.about}</span>}
              </a>
            );
          })}
        </div>
      ))}
    </>
  );
}

function views(words: readonly string[]): Group[] {
  const fitting = NAVIGATION.filter((each) => words.every((word) => each.title.toLowerCase().includes(word)));
  return fitting.length ? [{ title: "Views", places: fitting.map((each) => ({ key: each.name, title: each.title, about: "", to: address(each.path) })) }] : [];
}
