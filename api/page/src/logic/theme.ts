/** Light, dark, or as the system is; kept in this browser. */
export type Theme = "system" | "light" | "dark";

const KEY = "theme";
const listeners = new Set<() => void>();

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function applyTheme(chosen: Theme = theme()): void {
  localStorage.setItem(KEY, chosen);
  showTheme(chosen);
}

/** Without keeping it. */
export function showTheme(chosen: Theme): void {
  document.documentElement.style.colorScheme = chosen === "system" ? "light dark" : chosen;
  for (const listener of listeners) listener();
}

/** Canvases are painted anew when colours change. */
export function onTheme(listener: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  listeners.add(listener);
  system.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    system.removeEventListener("change", listener);
  };
}
