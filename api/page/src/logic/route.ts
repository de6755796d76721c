/** The URL is the state of every view: what it holds is all that a view needs to show itself again. */
import { useEffect, useState } from "preact/hooks";

export interface Route {
  parts: string[];
  query: URLSearchParams;
}

export function parseRoute(url: URL | Location): Route {
  const parts = url.pathname.split("/").filter(Boolean).map(decoded);
  return { parts, query: new URLSearchParams(url.search) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let read = { search: "", query: new URLSearchParams() };

/** Every link of a table asks for it, and the query may name many runs: it is read once. */
function shown(name: string): string | null {
  if (typeof location === "undefined") return null;
  if (read.search !== location.search) read = { search: location.search, query: new URLSearchParams(location.search) };
  return read.query.get(name);
}

/** The moment that the page shows; null: the present. */
export function shownMoment(): string | null {
  return shown("as_of");
}

/** The id of the shared link by which this tab reads; null: by the session of whoever is signed in. */
export function shownShare(): string | null {
  return shown("share");
}

/**
 * A path with a query; what is empty is left out, so that the plainest state has the plainest URL.
 * The moment that is shown goes along, so that a link from the past leads to the past; and a shared link.
 */
export function address(path: string, query: Record<string, string | null | undefined> = {}): string {
  const kept = Object.entries({ as_of: shownMoment(), share: shownShare(), ...query }).filter((entry): entry is [string, string] => !!entry[1]);
  const text = new URLSearchParams(kept).toString();
  return text ? `${path}?${text}` : path;
}

const listeners = new Set<() => void>();

let mayLeave: (() => boolean) | null = null;

/** Asked before the page goes to another view; null: nothing is to be lost. */
export function askBeforeLeaving(asked: (() => boolean) | null): void {
  mayLeave = asked;
}

export function go(to: string, options: { replace?: boolean } = {}): void {
  if (to === location.pathname + location.search) return;
  if (mayLeave && new URL(to, location.href).pathname !== location.pathname && !mayLeave()) return;
  history[options.replace ? "replaceState" : "pushState"](null, "", to);
  for (const listener of listeners) listener();
}

/** Changes some of the query, and leaves the rest and the view as they are. */
export function ask(changes: Record<string, string | null | undefined>, options = { replace: true }): void {
  const now = Object.fromEntries(new URLSearchParams(location.search));
  go(address(location.pathname, { ...now, ...changes }), options);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location));
  useEffect(() => {
    const changed = () => setRoute(parseRoute(location));
    listeners.add(changed);
    addEventListener("popstate", changed);
    return () => {
      listeners.delete(changed);
      removeEventListener("popstate", changed);
    };
  }, []);
  return route;
}

/** Follows links of the page without loading it again; all other clicks are the browser's. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = (event.target as Element).closest?.("a");
  if (!link?.href || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname.startsWith("/api/") || link.pathname === "/docs") return;
  event.preventDefault();
  go(link.pathname + link.search);
}

export function list(text: string | null | undefined): string[] {
  return text ? text.split(",").filter(Boolean).map(decoded) : [];
}

export function joined(values: readonly string[]): string {
  return values.map((each) => each.replace(/[%,]/g, encodeURIComponent)).join(",");
}
