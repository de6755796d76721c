/** A long answer, page by page. */
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, type Problem } from "./api";
import { shownMoment } from "./route";

type Query = Parameters<typeof get>[1];

export interface Pages<P, R> {
  /** The first page; null until it is there. */
  first: P | null;
  rows: R[];
  more: boolean;
  problem: Problem | null;
  loadMore: () => void;
  /** Asks for the first page anew. */
  again: () => void;
  /** Changes rows as they are here, until they are asked for again. */
  change: (edit: (row: R) => R) => void;
}

interface State<P, R> {
  first: P | null;
  rows: R[];
  /** What asks for the following page; null: there is none. */
  next: Query | null;
  problem: Problem | null;
}

/**
 * base: null while there is nothing to ask. rowsOf: of a page; nextOf: what asks for the page after it, when
 * so many rows are there. The rows before stay until the first page of another question is there.
 */
export function usePages<P, R>(base: string | null, query: Query, rowsOf: (page: P) => R[], nextOf: (page: P, rows: number) => Query | null): Pages<P, R> {
  const [state, setState] = useState<State<P, R>>({ first: null, rows: [], next: null, problem: null });
  const [turn, setTurn] = useState(0);
  const loading = useRef(false);
  const whole = { ...query, as_of: shownMoment() };
  const asked = base && base + JSON.stringify(whole);
  useLayoutEffect(() => {
    if (base === null) return;
    const abort = new AbortController();
    loading.current = true;
    get<P>(base, whole, abort.signal).then(
      (page) => {
        const rows = rowsOf(page);
        loading.current = false;
        setState({ first: page, rows, next: nextOf(page, rows.length), problem: null });
      },
      (problem) => {
        if (abort.signal.aborted) return;
        loading.current = false;
        setState((now) => ({ ...now, problem }));
      },
    );
    return () => abort.abort();
  }, [asked, turn]);
  const { next } = state;
  const loadMore = useCallback(async () => {
    if (loading.current || !next || base === null) return;
    loading.current = true;
    const added = (now: State<P, R>, page: P): State<P, R> => {
      const rows = [...now.rows, ...rowsOf(page)];
      return { ...now, rows, next: nextOf(page, rows.length) };
    };
    try {
      const page = await get<P>(base, { ...whole, ...next });
      setState((now) => (now.next === next ? added(now, page) : now));
    } catch (problem) {
      setState((now) => (now.next === next ? { ...now, problem: problem as Problem, next: null } : now));
    } finally {
      loading.current = false;
    }
  }, [asked, next]);
  const again = useCallback(() => setTurn((now) => now + 1), []);
  const change = useCallback((edit: (row: R) => R) => setState((now) => ({ ...now, rows: now.rows.map(edit) })), []);
  return { first: state.first, rows: state.rows, more: next !== null, problem: state.problem, loadMore, again, change };
}
