/** What every view is given: where one is, and who one is. */
import type { Me } from "./api";
import type { Route } from "./route";

export interface ViewProps {
  route: Route;
  me: Me;
}
