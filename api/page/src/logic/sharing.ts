/** Links to one view, for people without a key. */
import { send, type SharedView } from "./api";

export interface CreatedShare {
  id: string;
  link: string;
  expires_at: string;
}

export interface ShareInfo {
  id: string;
  name: string;
  path: string;
  frozen: boolean;
  state: "open" | "ended" | "revoked";
  expires_at: string;
  created_by_label: string | null;
  created_by: string | null;
}

const SHAREABLE = [/^\/runs(\/.+)?$/, /^\/leaderboard$/, /^\/evaluations\/.+$/, /^\/compare$/, /^\/reports\/[\da-f-]{36}$/];

/** Whether the view at a path is one that a link can show. */
export function shareable(path: string): boolean {
  return SHAREABLE.some((each) => each.test(path));
}

/** The address at which a link's view is, for the browser that has opened it. */
export function sharedAddress(share: SharedView): string {
  const url = new URL(share.path, "http://page");
  url.searchParams.set("share", share.id);
  if (share.as_of) url.searchParams.set("as_of", share.as_of);
  return url.pathname + url.search;
}

export function openLink(token: string): Promise<{ share: SharedView }> {
  return send("POST", "/shares/open", { token });
}

/** Puts a text where pasting finds it; false where the browser does not let us, as without https. */
export async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
