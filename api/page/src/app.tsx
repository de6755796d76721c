/** The page: who is signed in, the frame around every view, and the view that the URL names. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { get, onSignedOut, send, Problem, type Me } from "./logic/api";
import { shownShare, useRoute } from "./logic/route";
import { Frame } from "./parts/frame";
import { Notice } from "./parts/notice";
import { viewOf } from "./views";
import { LinkEnded, OpenLink } from "./views/shared";
import { SignIn } from "./views/sign_in";

export function App() {
  const route = useRoute();
  const [me, setMe] = useState<Me | null | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | null>(null);

  const opening = route.parts[0] === "shared";
  useEffect(() => {
    if (opening) return;
    onSignedOut(() => setMe(null));
    get<Me>("/me").then(setMe, (error: Problem) => (error.status === 401 ? setMe(null) : setProblem(error)));
  }, []);

  const signOut = useCallback(async () => {
    await send("DELETE", "/session");
    setMe(null);
  }, []);

  if (opening) return <OpenLink />;
  if (problem) return <main class="alone"><Notice problem={problem} again={() => location.reload()} /></main>;
  if (me === undefined) return null;
  if (me === null && shownShare()) return <LinkEnded problem={null} />;
  if (me === null) return <SignIn signedIn={setMe} />;
  const { View, name } = viewOf(route);
  return (
    <Frame me={me} current={name} signOut={signOut}>
      <View key={route.parts.slice(0, 2).join("/")} route={route} me={me} />
    </Frame>
  );
}
