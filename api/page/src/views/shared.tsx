import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../logic/api";
import { moment } from "../logic/format";
import { openLink, sharedAddress } from "../logic/sharing";
import { Mark } from "../parts/frame";

/** What a link leads to first: it is opened in this browser, and its view takes the place of this one. */
export function OpenLink() {
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    openLink(location.hash.slice(1)).then(({ share }) => location.replace(sharedAddress(share)), setProblem);
  }, []);
  return problem && <LinkEnded problem={problem} />;
}

/** Says that there is nothing behind a link any more, or that there never was. */
export function LinkEnded({ problem }: { problem: Problem | null }) {
  const ended = problem?.expires && moment(problem.expires);
  const words = problem && problem.status !== 401 ? problem.detail : "this link has ended, or was taken back";
  return (
    <main class="alone">
      <section class="sign-in">
        <h1><Mark />Speech experiments</h1>
        <p role="alert"><b>{words[0]!.toUpperCase() + words.slice(1)}.</b>{ended && ` It could be opened until ${ended}.`}</p>
        <p class="quiet">Ask whoever sent it for a new one{problem?.status !== 410 && ", or open it again as it was sent: what stands behind the # belongs to it"}.</p>
        <p><a class="button" href="/">Sign in with a key</a></p>
      </section>
    </main>
  );
}
