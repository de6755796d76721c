/** Of a burst, the last: keys held down pass rows by, and letters follow each other; what they come to rest on counts. */
import { useEffect, useRef } from "preact/hooks";

export function useSettled<T>(act: (value: T) => void, ms: number): (value: T) => void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (value) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => act(value), ms);
  };
}
