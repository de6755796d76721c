import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { PresentAlone } from "../parts/notice";
import { Tabs } from "../parts/tabs";
import { Delivery } from "./operations_delivery";
import { Health } from "./operations_health";
import { Keys } from "./operations_keys";
import { DeadLetters } from "./operations_letters";

const PARTS = [
  [null, "Health"],
  ["delivery", "Delivery"],
  ["keys", "People and keys"],
  ["letters", "Dead letters"],
] as const;
const FOR_ADMINS = ["keys", "letters"];

/** How the server is doing, what has not arrived, who may do what, and what could not be applied. */
export function Operations({ route: { query }, me }: ViewProps) {
  const part = query.get("part");
  useTitle(part && PARTS.find(([name]) => name === part)?.[1], "Operations");
  const admin = me.role === "admin";
  return (
    <div class="home">
      <h1>Operations</h1>
      <PresentAlone />
      <Tabs label="Parts of operations" parts={admin ? PARTS : PARTS.filter(([name]) => !FOR_ADMINS.includes(name ?? ""))} query={query} />
      {part === null && <Health />}
      {part === "delivery" && <Delivery />}
      {part === "keys" && <Keys />}
      {part === "letters" && <DeadLetters />}
    </div>
  );
}
