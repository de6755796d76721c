import { useState } from "preact/hooks";
import { Problem, send, type Me } from "../logic/api";
import { useTitle } from "../logic/title";
import { Mark } from "../parts/frame";
import { Notice } from "../parts/notice";

/** Takes a key for a session; the browser keeps a cookie that no script can read, and not the key. */
export function SignIn({ signedIn }: { signedIn: (me: Me) => void }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  useTitle("Sign in");

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      signedIn(await send<Me>("POST", "/session", { key: key.trim() }));
    } catch (error) {
      setProblem(error as Problem);
      setBusy(false);
    }
  };
  return (
    <main class="alone">
      <form class="sign-in" onSubmit={submit}>
        <h1><Mark />Speech experiments</h1>
        <label for="key">API key</label>
        <input
          id="key" type="password" autocomplete="current-password" spellcheck={false} autofocus required
          placeholder="stk_…" value={key} onInput={(event) => setKey(event.currentTarget.value)}
        />
        {problem && <Notice problem={problem} />}
        <button class="main" disabled={busy || !key.trim()}>Sign in</button>
        <p class="quiet">
          On your own machine: the line <b>login</b> of <code>speech-tracker up</code>.
          In a team, an admin makes one with <code>speech-tracker key create --role viewer</code>.
        </p>
      </form>
    </main>
  );
}
