import { address } from "../logic/route";
import { useTitle } from "../logic/title";

export function Missing() {
  useTitle();
  return (
    <div class="empty">
      <h1>There is no such view</h1>
      <p>The address may be cut off, or from a newer version of the page. <a href={address("/runs")}>All runs</a> are a way back.</p>
    </div>
  );
}
