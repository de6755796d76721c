/** What lives is asked for again while somebody looks at it. */
import { useEffect } from "preact/hooks";
import { usePosition } from "./asking";

/** every: milliseconds; null: never. */
export function useRefreshed(again: () => void, every: number | null): void {
  const position = usePosition();
  useEffect(() => {
    if (position !== null || every === null) return;
    const timer = setInterval(() => document.visibilityState === "visible" && again(), every);
    return () => clearInterval(timer);
  }, [position, every]);
}
