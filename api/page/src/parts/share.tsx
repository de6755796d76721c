import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { send, type Me, type Problem } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { moment } from "../logic/format";
import { shownMoment } from "../logic/route";
import { copied, shareable, type CreatedShare, type ShareInfo } from "../logic/sharing";
import { Notice } from "./notice";

const SPANS = [
  [24, "in a day"],
  [7 * 24, "in a week"],
  [30 * 24, "in 30 days"],
  [90 * 24, "in 90 days"],
] as const;
const USUAL = 7 * 24;

/** The button that makes a link to the view that is shown, for those who may. */
export function Share({ me }: { me: Me }) {
  const [open, setOpen] = useState(false);
  if (me.role === "viewer" || !shareable(location.pathname)) return null;
  return (
    <>
      <button type="button" aria-haspopup="dialog" onClick={() => setOpen(true)}>Share</button>
      {open && <ShareDialog close={() => setOpen(false)} />}
    </>
  );
}

function ShareDialog({ close }: { close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const past = shownMoment() !== null;
  const [made, setMade] = useState<CreatedShare | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  useLayoutEffect(() => {
    const dialog = box.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      setMade(await send<CreatedShare>("POST", "/shares", {
        path: location.pathname + location.search,
        name: String(given.get("name")).trim(),
        hours: Number(given.get("hours")),
        frozen: past || given.get("shows") === "frozen",
      }));
      setProblem(null);
    } catch (error) {
      setProblem(error as Problem);
    }
    setBusy(false);
  };
  return (
    <dialog class="share" ref={box} aria-labelledby="share-title" onClose={close}>
      <h2 id="share-title">Share this view</h2>
      <p class="quiet">Whoever has the link can read this view without a key, and nothing else. It can be taken back at any time.</p>
      {made ? <Link made={made} /> : (
        <form onSubmit={submit}>
          <label>Name <input name="name" maxLength={200} autocomplete="off" defaultValue={heading()} /></label>
          <fieldset>
            <legend>It shows</legend>
            {!past && <label><input type="radio" name="shows" value="live" defaultChecked /> what is there when it is opened</label>}
            <label><input type="radio" name="shows" value="frozen" defaultChecked={past} /> {past ? "the moment that is shown here, for good" : "what is there now, whatever comes later"}</label>
          </fieldset>
          <label>It ends <select name="hours" defaultValue={String(USUAL)}>{SPANS.map(([hours, title]) => <option key={hours} value={hours} selected={hours === USUAL}>{title}</option>)}</select></label>
          <button class="main" disabled={busy}>Make the link</button>
        </form>
      )}
      {problem && <Notice problem={problem} />}
      <OtherLinks made={made?.id ?? null} />
      <form method="dialog"><button>Close</button></form>
    </dialog>
  );
}

function heading(): string {
  return document.querySelector("main h1")?.textContent?.trim().slice(0, 200) ?? "";
}

function Link({ made }: { made: CreatedShare }) {
  const link = location.origin + made.link;
  const box = useRef<HTMLInputElement>(null);
  const [told, setTold] = useState("");
  const copy = async () => {
    box.current!.select();
    setTold((await copied(link)) ? "Copied." : "Copy it by Ctrl-C: it is selected.");
  };
  useLayoutEffect(() => {
    box.current!.focus();
    void copy();
  }, []);
  return (
    <>
      <div class="link">
        <input ref={box} readOnly aria-label="Link" value={link} />
        <button type="button" class="main" onClick={copy}>Copy</button>
      </div>
      <p class="quiet"><span role="status">{told}</span> It is shown this once, and ends {moment(made.expires_at)}.</p>
    </>
  );
}

/** The links that are open, each with the way to take it back; made: the one that has just joined them. */
function OtherLinks({ made }: { made: string | null }) {
  const { answer, problem, again } = useAnswer<{ shares: ShareInfo[] }>("/shares", { limit: 100 }, { present: true });
  const [failed, setFailed] = useState<Problem | null>(null);
  useEffect(() => {
    if (made) again();
  }, [made]);
  const open = (answer?.shares ?? []).filter((each) => each.state === "open");
  const take = (id: string) => send("DELETE", `/shares/${id}`).then(again, setFailed);
  if (problem || failed) return <Notice problem={(problem ?? failed)!} again={again} />;
  if (!open.length) return null;
  return (
    <details>
      <summary>Links that are open: {open.length}</summary>
      <ul class="runs">
        {open.map((each) => (
          <li key={each.id}>
            <button type="button" aria-label={`Take back ${each.name || each.path}`} onClick={() => take(each.id)}>Take back</button>
            <a href={each.path}>{each.name || each.path}</a>
            <div class="quiet clip">{[each.frozen ? "frozen" : "live", `ends ${moment(each.expires_at)}`, `by ${each.created_by_label || each.created_by}`].join(" · ")}</div>
          </li>
        ))}
      </ul>
    </details>
  );
}
