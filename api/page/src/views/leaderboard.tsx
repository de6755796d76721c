import { address } from "../logic/route";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { LoggedBoard } from "./board_logged";
import { MatrixBoard } from "./board_matrices";
import { MeasuredBoard } from "./board_measured";
import { ScoredBoard } from "./board_scored";

const BOARDS = [
  ["scored", "Scores"],
  ["matrices", "Matrices"],
  ["logged", "Any metric"],
  ["measured", "Other tasks"],
] as const;

/** Systems on test sets, the best first: by the server's scores, or by any metric of a result. */
export function Leaderboard({ route }: ViewProps) {
  const { query } = route;
  useTitle(query.get("filter"), "Leaderboard");
  const board = query.get("board") ?? (query.has("metric") ? "logged" : "scored");
  return (
    <div class="home wide">
      <h1>Leaderboard</h1>
      <nav class="tabs" aria-label="Boards">
        {BOARDS.map(([name, title]) => (
          <a key={name} href={address("/leaderboard", { board: name === "scored" ? null : name, filter: query.get("filter"), ...(name === "logged" ? {} : { chosen: query.get("chosen"), profile: query.get("profile") }) })} aria-current={name === board ? "page" : undefined}>{title}</a>
        ))}
      </nav>
      {board === "logged" && <LoggedBoard query={query} />}
      {board === "matrices" && <MatrixBoard query={query} />}
      {board === "measured" && <MeasuredBoard query={query} />}
      {board === "scored" && <ScoredBoard query={query} />}
    </div>
  );
}
