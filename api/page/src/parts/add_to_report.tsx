import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, mayEdit, Problem, send, type Me } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { panelText, type PanelText } from "../logic/panel_text";
import { positionNow, type Report, type ReportHead } from "../logic/reports";
import { address, shownMoment } from "../logic/route";
import { copied } from "../logic/sharing";
import { Notice } from "./notice";

interface Props {
  panel: PanelText;
  name: string;
  /** Of what is shown, for a panel that stays as it is; null: it is asked for. */
  vector: string | null;
  close: () => void;
}

const NEW = "";
const ATTEMPTS = 3;

/** Puts what is shown into a report as a panel, a new one or one that is there; or hands out its Markdown. */
export function AddToReport({ panel, name, vector, close }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  const past = shownMoment() !== null;
  const [frozen, setFrozen] = useState(past);
  const [position, setPosition] = useState(vector ?? shownMoment());
  const [told, setTold] = useState("");
  const [added, setAdded] = useState<ReportHead | null>(null);
  const me = useAnswer<Me>("/me", {}, { present: true }).answer;
  const text = panelText({ ...panel, values: { title: panel.kind === "chart" ? null : name, ...panel.values, as_of: frozen ? position : null } });
  useLayoutEffect(() => {
    const dialog = box.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  useEffect(() => {
    if (frozen && !position) positionNow().then(setPosition, () => setFrozen(false));
  }, [frozen]);
  const copy = async () => {
    box.current!.querySelector("textarea")!.select();
    setTold((await copied(text)) ? "Copied: paste it into a report." : "Copy it by Ctrl-C: it is selected.");
  };
  return (
    <dialog class="share" ref={box} aria-labelledby="add-title" onClose={close} onKeyDown={(event) => event.stopPropagation()}>
      <h2 id="add-title">Add to report</h2>
      {added ? <p role="status">It is in <a href={address(`/reports/${added.id}`, { as_of: null })} onClick={() => box.current!.close()}><b>{added.title}</b></a>, as its last panel.</p> : (
        <>
          <fieldset>
            <legend>It shows</legend>
            {!past && <label><input type="radio" name="panel-shows" checked={!frozen} onChange={() => setFrozen(false)} /> what is there when the report is read</label>}
            <label><input type="radio" name="panel-shows" checked={frozen} onChange={() => setFrozen(true)} /> {past ? "the moment that is shown here" : "what is there now"}, for good</label>
          </fieldset>
          {me && mayEdit(me) && (!frozen || position) && <Choice text={text} added={setAdded} />}
          <label class="quiet" for="panel-text">Or paste it yourself, wherever it is to stand:</label>
          <textarea id="panel-text" readOnly rows={Math.min(8, text.split("\n").length)} value={text} />
          <p><button type="button" onClick={copy}>Copy as panel</button> <span role="status" class="quiet">{told}</span></p>
        </>
      )}
      <form method="dialog"><button>Close</button></form>
    </dialog>
  );
}

function Choice({ text, added }: { text: string; added: (report: ReportHead) => void }) {
  const { answer, problem } = useAnswer<{ reports: ReportHead[] }>("/reports", { limit: 200 }, { present: true });
  const [chosen, setChosen] = useState<string | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  if (problem) return <Notice problem={problem} />;
  if (!answer) return null;
  const id = chosen ?? answer.reports[0]?.id ?? NEW;
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    event.stopPropagation();
    const title = String(new FormData(event.currentTarget as HTMLFormElement).get("title") ?? "");
    setBusy(true);
    try {
      added(id === NEW ? await send<Report>("POST", "/reports", { title, body: text }) : await append(id, text));
    } catch (error) {
      setFailed(error as Problem);
    }
    setBusy(false);
  };
  return (
    <form onSubmit={submit}>
      <label>Report <select value={id} onChange={(event) => setChosen(event.currentTarget.value)}>
        {answer.reports.map((each) => <option key={each.id} value={each.id}>{each.title}</option>)}
        <option value={NEW}>A new report</option>
      </select></label>
      {id === NEW && <label>Title <input name="title" required maxLength={200} autocomplete="off" /></label>}
      <button class="main" disabled={busy}>Add</button>
      {failed && <Notice problem={failed} />}
    </form>
  );
}

/** At the end, whatever others have saved meanwhile. */
async function append(id: string, text: string): Promise<Report> {
  for (let attempt = 1; ; attempt += 1) {
    const { title, body, as_of, revision } = await get<Report>(`/reports/${id}`);
    try {
      return await send<Report>("PUT", `/reports/${id}`, { title, body: `${body.trimEnd()}\n\n${text}`.trimStart(), as_of, based_on: revision });
    } catch (error) {
      if ((error as Problem).status !== 409 || attempt === ATTEMPTS) throw error;
    }
  }
}
