/** Printing: paper is white, and all of the page is on it. */
import { answered } from "./api";
import { showTheme, theme } from "./theme";

const PATIENCE_MS = 5_000;

/** While the page is printed it is light, whatever was chosen. */
export function lightOnPaper(): void {
  addEventListener("beforeprint", () => showTheme("light"));
  addEventListener("afterprint", () => showTheme(theme()));
}

/** Has all that waits to be seen be there, and then prints. */
export async function printed(): Promise<void> {
  dispatchEvent(new Event("beforeprint"));
  await answered(PATIENCE_MS);
  print();
}
