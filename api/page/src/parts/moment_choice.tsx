import { useRef } from "preact/hooks";
import { moment } from "../logic/format";
import { ask, shownMoment } from "../logic/route";

const HOUR_MS = 3_600_000;
const BACK = [
  ["An hour ago", HOUR_MS],
  ["A day ago", 24 * HOUR_MS],
  ["A week ago", 7 * 24 * HOUR_MS],
] as const;

/** Chooses the moment that all views show; the address has it, so that a link shows the same. */
export function MomentChoice() {
  const box = useRef<HTMLFormElement>(null);
  const asOf = shownMoment();
  const choose = (time: Date) => {
    box.current!.hidePopover();
    ask({ as_of: time.toISOString() }, { replace: false });
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement).get("moment");
    if (given) choose(new Date(String(given)));
  };
  return (
    <>
      <button type="button" class="plain" popovertarget="moment">{asOf === null ? "Now" : "Past"}<span class="unseen">: choose the moment that is shown</span> ▾</button>
      <form id="moment" class="moment" popover="auto" ref={box} onSubmit={submit} aria-label="Moment">
        <label for="moment-time">As of</label>
        <input id="moment-time" name="moment" type="datetime-local" required step="1" max={local(new Date())} key={asOf} defaultValue={local(timeOf(asOf) ?? new Date())} />
        <button class="main">Show</button>
        <div>{BACK.map(([title, span]) => <button type="button" key={title} onClick={() => choose(new Date(Date.now() - span))}>{title}</button>)}</div>
      </form>
    </>
  );
}

/** Says plainly that this is not the present, and leads back to it. */
export function PastBanner() {
  const asOf = shownMoment();
  if (asOf === null) return null;
  const time = timeOf(asOf);
  return (
    <div class="past" role="status">
      <span>This is the past: all as of <b>{time ? moment(time.toISOString()) : asOf.length > 40 ? `the vector ${asOf.slice(0, 24)}…` : asOf}</b>.</span>
      <button type="button" onClick={() => ask({ as_of: null }, { replace: false })}>Back to now</button>
    </div>
  );
}

function timeOf(asOf: string | null): Date | null {
  if (!asOf || !/^\d{4}-\d\d-\d\dT/.test(asOf)) return null;
  const time = new Date(asOf);
  return Number.isNaN(time.getTime()) ? null : time;
}

/** As the control has it: in the viewer's zone, without one. */
function local(time: Date): string {
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
