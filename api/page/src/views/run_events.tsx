import { useEffect, useState } from "preact/hooks";
import { get, type Problem, type RunDetails } from "../logic/api";
import { moment } from "../logic/format";
import { shownMoment } from "../logic/route";
import { Empty, Notice } from "../parts/notice";

interface Event {
  topic: string;
  partition: number;
  offset: number;
  time: string;
  actor: string;
  type: string;
  seq: number;
  count: number;
  data: unknown;
}

interface Page {
  events: Event[];
  next_cursor: string | null;
}

/** The run as the log has it: every event with its place, who sent it, and when the broker took it. */
export function Events({ run }: { run: RunDetails }) {
  const [events, setEvents] = useState<Event[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const asOf = shownMoment();
  const more = (after: string | null) =>
    get<Page>(`/runs/${run.id}/events`, { limit: 200, cursor: after, as_of: asOf }).then((page) => {
      setEvents((now) => [...(after ? now ?? [] : []), ...page.events]);
      setCursor(page.next_cursor);
    }, setProblem);
  useEffect(() => void more(null), [run.id, asOf]);
  if (problem) return <Notice problem={problem} again={() => { setProblem(null); void more(cursor); }} />;
  if (!events) return null;
  if (!events.length) return <Empty>The log has no events of this run.</Empty>;
  return (
    <div class="home">
      <div class="scrolled" tabIndex={0} role="region" aria-label="Events"><table class="events">
        <thead><tr><th>Taken</th><th>Event</th><th>Place in the log</th><th>Sent by</th><th>Content</th></tr></thead>
        <tbody>{events.map((each) => (
          <tr key={`${each.topic}/${each.partition}/${each.offset}`}>
            <td class="quiet">{moment(each.time)}:{new Date(each.time).toISOString().slice(17, 23)}</td>
            <td>{each.type}{each.count > 1 && <span class="quiet"> × {each.count}</span>}</td>
            <td class="quiet">{each.topic}/{each.partition}/{each.offset}</td>
            <td class="quiet" title={each.actor}>{each.actor.slice(0, 12)}</td>
            <td><details><summary class="clip">{brief(each.data)}</summary><pre tabIndex={0}>{JSON.stringify(each.data, null, 2)}</pre></details></td>
          </tr>
        ))}</tbody>
      </table></div>
      {cursor && <button type="button" onClick={() => void more(cursor)}>Later events</button>}
    </div>
  );
}

function brief(data: unknown): string {
  const text = JSON.stringify(data) ?? "";
  return text.length > 90 ? `${text.slice(0, 90)}…` : text;
}
