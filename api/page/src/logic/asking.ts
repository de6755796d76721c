/** A question to the server, asked again when it changes; the answer before stays until the next is there. */
import { createContext } from "preact";
import { useCallback, useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, type Problem } from "./api";
import { shownMoment } from "./route";

export interface Asked<T> {
  answer: T | null;
  problem: Problem | null;
  again: () => void;
}

/** The position that is shown in a part of the page, where it is not that of the whole: of a frozen panel. */
export const Position = createContext<string | null | undefined>(undefined);

export function usePosition(): string | null {
  const own = useContext(Position);
  return own === undefined ? shownMoment() : own;
}

type Query = Parameters<typeof get>[1];

/**
 * base: null while there is nothing to ask. The answer is as of the position that is shown; present: of a
 * question that has no past.
 */
export function useAnswer<T>(base: string | null, query: Query = {}, { present = false } = {}): Asked<T> {
  const position = usePosition();
  const whole = present ? query : { ...query, as_of: position };
  const [state, setState] = useState<{ answer: T | null; problem: Problem | null; of: string | null }>({ answer: null, problem: null, of: null });
  const [turn, setTurn] = useState(0);
  const asked = useRef(whole);
  asked.current = whole;
  const question = base === null ? null : base + JSON.stringify(whole);
  // Asked before what is there is painted once more, which takes a frame and a chart or two.
  useLayoutEffect(() => {
    if (base === null) return;
    const abort = new AbortController();
    get<T>(base, asked.current, abort.signal).then(
      (answer) => setState({ answer, problem: null, of: base }),
      (problem) => abort.signal.aborted || setState((now) => ({ ...now, problem })),
    );
    return () => abort.abort();
  }, [question, turn]);
  const again = useCallback(() => setTurn((now) => now + 1), []);
  return { answer: state.of === base ? state.answer : null, problem: state.problem, again };
}

/** The answers to one question about several things, in their order; null until all are there. */
export function useAnswers<T>(bases: readonly string[], query: Query = {}): Asked<T[]> {
  const [state, setState] = useState<{ answer: T[] | null; problem: Problem | null; of: string }>({ answer: null, problem: null, of: "" });
  const [turn, setTurn] = useState(0);
  const whole = { ...query, as_of: usePosition() };
  const question = JSON.stringify([bases, whole]);
  useEffect(() => {
    const abort = new AbortController();
    Promise.all(bases.map((base) => get<T>(base, whole, abort.signal))).then(
      (answer) => setState({ answer, problem: null, of: question }),
      (problem) => abort.signal.aborted || setState({ answer: null, problem, of: question }),
    );
    return () => abort.abort();
  }, [question, turn]);
  const again = useCallback(() => setTurn((now) => now + 1), []);
  return state.of === question ? { answer: state.answer, problem: state.problem, again } : { answer: null, problem: null, again };
}
