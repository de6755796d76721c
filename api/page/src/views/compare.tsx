import { address, list } from "../logic/route";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { CompareEvaluations } from "./compare_evaluations";
import { CompareRuns } from "./compare_runs";

/** Evaluations side by side, utterance by utterance; or runs, by their configs and curves. */
export function Compare({ route }: ViewProps) {
  const { query } = route;
  const evaluations = list(query.get("evaluations"));
  const runs = list(query.get("runs"));
  useTitle("Compare");
  if (evaluations.length > 1) return <CompareEvaluations ids={evaluations} query={query} />;
  if (runs.length > 1) return <CompareRuns ids={runs} query={query} />;
  return (
    <div class="empty">
      <h1>Nothing to compare yet</h1>
      <p>Choose two or more systems on the <a href={address("/leaderboard")}>leaderboard</a>, or open the eyes of two or more <a href={address("/runs")}>runs</a>; the way here appears above them.</p>
    </div>
  );
}
