import { useEffect, useRef, useState } from "preact/hooks";
import { get, type Problem, type RunDetails } from "../logic/api";
import { moment, plain } from "../logic/format";
import { evenMoments, momentsOf, placeOf, type LoggedEvent, type Moment } from "../logic/moments";
import { ask, shownMoment } from "../logic/route";
import { useSettled } from "../logic/settled";
import { Notice } from "./notice";

interface Page {
  events: LoggedEvent[];
  next_cursor: string | null;
}

interface Props {
  run: RunDetails;
  /** Loaded at once; else when it is asked for: it reads the log. */
  open: boolean;
}

const MOST_EVENTS = 1_000;
const EVEN_MOMENTS = 500;
const PASSING_MS = 200;

/** Goes through the time of a run: every part of it is shown as it was when the broker had taken so many of its events. */
export function TimeSlider({ run, open }: Props) {
  const asOf = shownMoment();
  const [asked, setAsked] = useState(false);
  const { moments, problem } = useMoments(run, open || asked || asOf !== null);
  const [place, setPlace] = useState<number | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  /** Counts the moves: what was asked for before the last one is not to move the slider back. */
  const moves = useRef(0);
  useEffect(() => {
    if (!moments?.length) return;
    if (asOf === null) return setPlace(moments.length);
    const abort = new AbortController();
    const move = moves.current;
    const found = (place: number | null) => move === moves.current && setPlace(place);
    timeOf(run.id, asOf, moments, abort.signal).then(found, (problem) => abort.signal.aborted || found(problem.status === 404 ? 0 : null));
    return () => abort.abort();
  }, [moments, asOf]);
  const settle = useSettled(async (chosen: number) => {
    const [each, move] = [moments![chosen], moves.current];
    try {
      const vector = each ? await vectorAt(run.id, each) : null;
      if (move === moves.current) ask({ as_of: vector });
    } catch (problem) {
      if (move === moves.current) setFailed(problem as Problem);
    }
  }, PASSING_MS);
  if (problem ?? failed) return <Notice problem={(problem ?? failed)!} {...(failed && { again: () => setFailed(null) })} />;
  if (!moments) return open || asked ? <p class="quiet">Reading its events…</p> : <button type="button" class="plain past-choice" onClick={() => setAsked(true)}>Go through its time…</button>;
  if (!moments.length || place === null) return null;
  const shown = moments[place];
  return (
    <div class={`time ${shown ? "then" : ""}`} role="group" aria-label="Time of the run">
      <label for="time-slider">As it was</label>
      <input
        id="time-slider" type="range" min={0} max={moments.length} value={place} aria-valuetext={told(moments, place)}
        onInput={(event) => {
          const chosen = Number(event.currentTarget.value);
          moves.current += 1;
          setPlace(chosen);
          settle(chosen);
        }}
      />
      <output for="time-slider">{told(moments, place)}</output>
      {shown && <button type="button" onClick={() => ask({ as_of: null })}>Now</button>}
    </div>
  );
}

function told(moments: readonly Moment[], place: number): string {
  const each = moments[place];
  if (!each) return "now, with all of its events";
  const time = `${moment(each.time)}:${each.time.slice(17, 23)}`;
  return each.events ? `after ${each.type}, event ${plain(each.events)} of ${plain(moments.at(-1)!.events)}, ${time}` : time;
}

function useMoments(run: RunDetails, wanted: boolean): { moments: Moment[] | null; problem: Problem | null } {
  const [state, setState] = useState<{ moments: Moment[] | null; problem: Problem | null }>({ moments: null, problem: null });
  useEffect(() => {
    if (!wanted) return;
    const abort = new AbortController();
    get<Page>(`/runs/${run.id}/events`, { limit: MOST_EVENTS }, abort.signal).then(
      ({ events, next_cursor }) => {
        const all = momentsOf(events);
        const last = run.finished_at ?? run.heartbeat_at ?? new Date().toISOString();
        setState({ moments: next_cursor && all.length ? evenMoments(all[0]!.time, last, EVEN_MOMENTS) : all, problem: null });
      },
      (problem) => abort.signal.aborted || setState({ moments: null, problem }),
    );
    return () => abort.abort();
  }, [run.id, wanted]);
  return state;
}

/** The position of the log at a moment, so that an address means the same for good. */
async function vectorAt(run: string, { time, events }: Moment): Promise<string> {
  return events ? (await get<{ vector: string }>(`/runs/${run}`, { as_of: time })).vector : time;
}

/** Where a moment stands among those of the run: a time by itself, a vector by the events that lie before it. */
async function timeOf(run: string, asOf: string, moments: readonly Moment[], signal: AbortSignal): Promise<number> {
  if (/^\d{4}-/.test(asOf) || !moments[0]!.events) return placeOf(moments, asOf);
  const { events } = await get<Page>(`/runs/${run}/events`, { as_of: asOf, limit: MOST_EVENTS }, signal);
  return placeOf(moments, events.at(-1)?.time ?? moments[0]!.time);
}
