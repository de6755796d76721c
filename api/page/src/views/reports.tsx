import { mayEdit } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { ago } from "../logic/format";
import { saverOf, type ReportHead } from "../logic/reports";
import { address, shownMoment } from "../logic/route";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { Notice } from "../parts/notice";
import { ReportView } from "./report";
import { EditReport, NewReport } from "./report_edit";
import "../reports.css";

interface List {
  reports: ReportHead[];
  total: number;
}

const MOST = 1_000;

/** All that is under /reports: the list, a report, and writing one. */
export function Reports(props: ViewProps) {
  const [, id, part] = props.route.parts;
  if (!id) return <ReportList {...props} />;
  if (id === "new") return <NewReport me={props.me} />;
  return part === "edit" ? <EditReport key={id} id={id} me={props.me} /> : <ReportView key={id} {...props} id={id} />;
}

function ReportList({ me }: ViewProps) {
  useTitle("Reports");
  const { answer, problem, again } = useAnswer<List>("/reports", { limit: MOST });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  const mayWrite = mayEdit(me) && shownMoment() === null;
  if (!answer.reports.length) return <Nothing mayWrite={mayWrite} />;
  return (
    <div class="home">
      <div class="tools"><h1>Reports</h1><span class="grow" />{mayWrite && <a class="button" href={address("/reports/new")}>New report</a>}</div>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Reports">
        <table>
          <thead><tr><th scope="col">Title</th><th scope="col">Panels</th><th scope="col" class="number">Revision</th><th scope="col">Saved</th><th scope="col">By</th></tr></thead>
          <tbody>{answer.reports.map((each) => (
            <tr key={each.id}>
              <td class="title"><a href={address(`/reports/${each.id}`)}>{each.title}</a></td>
              <td class="quiet">{each.as_of ? "frozen" : "live"}</td>
              <td class="number">{each.revision}</td>
              <td class="quiet">{ago(each.saved_at)}</td>
              <td class="quiet">{saverOf(each)}</td>
            </tr>
          ))}</tbody>
        </table>
      </div>
      {answer.total > answer.reports.length && <p class="quiet">The {answer.reports.length} that were saved last, of {answer.total}. Ctrl-K finds the others by their titles.</p>}
    </div>
  );
}

function Nothing({ mayWrite }: { mayWrite: boolean }) {
  return (
    <section class="empty" aria-label="First steps">
      <h1>No reports yet</h1>
      <p>A report is text with panels: leaderboards, charts, tables of runs, matrices and utterances stand in it, live or frozen at a moment, and a link shows it to whoever has no key.</p>
      {mayWrite ? (
        <>
          <p>The simplest way to one: open the <a href={address("/leaderboard")}>leaderboard</a> or the <a href={address("/runs")}>runs</a>, choose what matters, and take <b>Export → Add to report…</b>; it works on charts too.</p>
          <p>Or <a class="button" href={address("/reports/new")}>write one</a>. It is Markdown, and this is a panel:</p>
        </>
      ) : <p>They are written in the present, with a key of the role editor. They are Markdown, and this is a panel:</p>}
      <pre tabIndex={0}><code>{"```leaderboard\nfilter: task = 'asr'\nintervals: yes\n```"}</code></pre>
      <p>In a repository, keep it as a file: <code>speech-tracker report save report.md</code>.</p>
    </section>
  );
}
