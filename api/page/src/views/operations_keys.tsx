import { useState } from "preact/hooks";
import { send, type Problem } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { quoted } from "../logic/columns";
import { ago, moment } from "../logic/format";
import { address } from "../logic/route";
import { counted } from "../logic/scores";
import { copied } from "../logic/sharing";
import { Notice } from "../parts/notice";

interface Key {
  id: string;
  role: string;
  label: string;
  hint: string;
  created_at: string;
  created_by: string | null;
  revoked_at: string | null;
  revoked_by: string | null;
}

const MOST_PEOPLE = 200;
const ROLES = [
  ["viewer", "viewer: may look"],
  ["editor", "editor: may log, correct and share"],
  ["admin", "admin: may also make and revoke keys"],
] as const;

/** Who has a key, made by whom, and who ran what; keys are made and revoked here. */
export function Keys() {
  const { answer, problem, again } = useAnswer<{ keys: Key[] }>("/keys", {}, { present: true });
  const [made, setMade] = useState<{ key: string; label: string; role: string } | null>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const attempt = async (work: () => Promise<unknown>) => {
    setFailed(null);
    await work().then(again, setFailed);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const given = new FormData(form);
    void attempt(async () => {
      setMade(await send("POST", "/keys", { role: given.get("role"), label: String(given.get("label")).trim() }));
      form.reset();
    });
  };
  const revoke = (key: Key) => void attempt(() => send("DELETE", `/keys/${key.id}`)).then(() => setAsked(null));
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  const who = (actor: string | null) => {
    const key = answer.keys.find((each) => actor === `key:${each.id}`);
    return key ? key.label || `…${key.hint}` : actor;
  };
  const shown = [...answer.keys].sort((a, b) => Number(a.revoked_at !== null) - Number(b.revoked_at !== null));
  return (
    <>
      <form class="tools" onSubmit={submit}>
        <label>Whose or what for <input type="search" name="label" required maxLength={200} placeholder="Ana, laptop" /></label>
        <label>Role <select name="role" defaultValue="editor">{ROLES.map(([role, title]) => <option key={role} value={role}>{title}</option>)}</select></label>
        <button class="main">Make a key</button>
      </form>
      {failed && <Notice problem={failed} />}
      {made && (
        <section class="card" role="status" aria-label="The new key">
          <p>The {made.role} key of <b>{made.label}</b>, shown this once:</p>
          <p class="choice"><code>{made.key}</code> <button type="button" onClick={() => void copied(made.key)}>Copy</button> <button type="button" class="plain" onClick={() => setMade(null)}>Done</button></p>
        </section>
      )}
      <div class="scrolled" tabIndex={0} role="region" aria-label="Keys">
        <table>
          <thead><tr><th scope="col">Whose or what for</th><th scope="col">Role</th><th scope="col">Ends in</th><th scope="col">Made</th><th scope="col">By</th><th scope="col">State</th></tr></thead>
          <tbody>{shown.map((key) => (
            <tr key={key.id}>
              <td>{key.label || <span class="quiet">no label</span>}</td>
              <td>{key.role}</td>
              <td><code>…{key.hint}</code></td>
              <td class="quiet" title={moment(key.created_at)}>{ago(key.created_at)}</td>
              <td class="quiet">{who(key.created_by)}</td>
              <td class="settings">
                {key.revoked_at && <span class="quiet" title={moment(key.revoked_at)}>revoked {ago(key.revoked_at)}{key.revoked_by && ` by ${who(key.revoked_by)}`}</span>}
                {!key.revoked_at && asked !== key.id && <button type="button" aria-label={`Revoke the key of ${key.label || key.hint}`} onClick={() => setAsked(key.id)}>Revoke…</button>}
                {asked === key.id && !key.revoked_at && (
                  <span class="choice">Whoever uses it is shut out at once. <button type="button" class="main" onClick={() => revoke(key)}>Revoke it</button> <button type="button" onClick={() => setAsked(null)}>Keep it</button></span>
                )}
              </td>
            </tr>
          ))}</tbody>
        </table>
      </div>
      <People who={who} />
    </>
  );
}

/** Access is by keys; who ran what is as the runs themselves say. */
function People({ who }: { who: (actor: string | null) => string | null }) {
  const { answer, problem, again } = useAnswer<{ values: { value: string; count: number }[] }>("/values", { field: "user", limit: MOST_PEOPLE }, { present: true });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer?.values.length) return null;
  return (
    <section aria-label="People">
      <h2>People</h2>
      <p class="quiet">Who logged runs, as the runs say, of the newest 10,000.</p>
      <p class="tags">{answer.values.map(({ value, count }) => <a key={value} class="tag" href={address("/runs", { filter: `user = ${quoted(value)}` })}>{who(value)} <span class="quiet">{counted(count, "run")}</span></a>)}</p>
    </section>
  );
}
