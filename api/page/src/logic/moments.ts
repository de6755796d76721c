/** The moments of a run, for going through its time. */

export interface LoggedEvent {
  time: string;
  type: string;
}

/** type: of the last event that the broker took at this moment; events: how many it had taken by then. */
export interface Moment {
  time: string;
  type: string;
  events: number;
}

/** One for each time at which something was logged, in order, from when there was a run: its producers are known before. */
export function momentsOf(events: readonly LoggedEvent[]): Moment[] {
  const found: Moment[] = [];
  const begun = events.findIndex(({ type }) => type.startsWith("run."));
  events.forEach(({ time, type }, place) => {
    if (place < begun) return;
    if (found.at(-1)?.time === time) found.pop();
    found.push({ time, type, events: place + 1 });
  });
  return found;
}

/** As many moments at equal distances, for a run with more events than can be gone through. */
export function evenMoments(first: string, last: string, count: number): Moment[] {
  const [from, to] = [new Date(first).getTime(), new Date(last).getTime()];
  return Array.from({ length: count }, (_, place) => ({ time: new Date(from + ((to - from) * (place + 1)) / count).toISOString(), type: "", events: 0 }));
}

/** The place of the last moment not after a time, 0 for the first. */
export function placeOf(moments: readonly Moment[], time: string): number {
  const wanted = new Date(time).getTime();
  return Math.max(0, moments.findLastIndex((each) => new Date(each.time).getTime() <= wanted));
}
