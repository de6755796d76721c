/** What tabs, bookmarks and the browser's history call a view. */
import { useEffect } from "preact/hooks";

const SITE = "Speech experiments";

/** The parts that are known, the narrowest first. */
export function titleOf(parts: readonly (string | null | undefined | false)[]): string {
  return [...parts.filter(Boolean), SITE].join(" · ");
}

export function useTitle(...parts: (string | null | undefined | false)[]): void {
  const title = titleOf(parts);
  useEffect(() => {
    document.title = title;
  }, [title]);
}
