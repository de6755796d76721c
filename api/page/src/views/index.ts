/** Every view, with the first part of its path; a new view is a line here, and one in page.py for the server. */
import type { ComponentType } from "preact";
import type { Route } from "../logic/route";
import type { ViewProps } from "../logic/view";
import { later } from "../parts/later";
import { Compare } from "./compare";
import { EvaluationView } from "./evaluation";
import { Home } from "./home";
import { Leaderboard } from "./leaderboard";
import { Missing } from "./missing";
import { Operations } from "./operations";
import { RunView } from "./run";
import { Runs } from "./runs";

const Reports = later<ViewProps>(() => import("./reports").then((views) => views.Reports));

type View = ComponentType<ViewProps>;

/** What the navigation shows, in its order. */
export const NAVIGATION = [
  { name: "home", path: "/", title: "Home" },
  { name: "runs", path: "/runs", title: "Runs" },
  { name: "leaderboard", path: "/leaderboard", title: "Leaderboard" },
  { name: "reports", path: "/reports", title: "Reports" },
  { name: "operations", path: "/operations", title: "Operations" },
] as const;

export function viewOf(route: Route): { name: string; View: View } {
  const [first, second] = route.parts;
  if (!first) return { name: "home", View: Home };
  if (first === "runs") return { name: "runs", View: second ? RunView : Runs };
  if (first === "leaderboard") return { name: "leaderboard", View: Leaderboard };
  if (first === "evaluations" && second) return { name: "leaderboard", View: EvaluationView };
  if (first === "compare") return { name: "compare", View: Compare };
  if (first === "reports") return { name: "reports", View: Reports };
  if (first === "operations") return { name: "operations", View: Operations };
  return { name: first, View: Missing };
}
