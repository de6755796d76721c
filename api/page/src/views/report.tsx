import { useRef, useState } from "preact/hooks";
import { mayEdit, send, type Problem } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { fileName, save } from "../logic/exports";
import { ago, moment } from "../logic/format";
import { printed } from "../logic/paper";
import { panelsIn } from "../logic/report_body";
import { frozenText, positionText, saverOf, type Report, type RevisionHead } from "../logic/reports";
import { address, ask, go, shownMoment, shownShare } from "../logic/route";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import { Notice } from "../parts/notice";
import { ReportText } from "../parts/report_text";

/** A report to read, under /reports/ID; with ?revision=N as it was saved then. */
export function ReportView({ id, route, me }: ViewProps & { id: string }) {
  const revision = route.query.get("revision");
  const { answer: report, problem, again } = useAnswer<Report>(`/reports/${encodeURIComponent(id)}`, { revision });
  const texts = useRef(new Map<number, string>());
  useTitle(report?.title);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!report) return null;
  const mayChange = mayEdit(me) && shownMoment() === null && shownShare() === null;
  return (
    <article class="report">
      <header>
        <h1>{report.title}</h1>
        <p class="quiet">
          {shownShare() ? "Saved" : <>Revision {report.revision}, saved by {saverOf(report)}</>} <time dateTime={report.saved_at} title={moment(report.saved_at)}>{ago(report.saved_at)}</time>
          {report.as_of && <> · <span class="mark" title={report.as_of}>all frozen: {positionText(report.as_of, report.moments)}</span></>}
        </p>
        <div class="tools">
          {mayChange && revision === null && <a class="button" href={address(`/reports/${id}/edit`)}>Edit</a>}
          {!shownShare() && <Revisions id={id} shown={report.revision} />}
          <Downloads report={report} texts={texts.current} />
          <button type="button" onClick={() => void printed()}>Print</button>
          {mayChange && revision === null && <Delete report={report} />}
        </div>
        {report.revision < report.newest && <Older report={report} mayChange={mayChange} />}
      </header>
      {report.body.trim()
        ? <ReportText key={report.revision} body={report.body} position={report.as_of} moments={report.moments} told={(line, text) => texts.current.set(line, text)} />
        : <p class="nothing">There is nothing in it yet.</p>}
    </article>
  );
}

function Downloads({ report, texts }: { report: Report; texts: ReadonlyMap<number, string> }) {
  const box = useRef<HTMLDetailsElement>(null);
  const file = (text: string) => {
    box.current!.open = false;
    save(fileName(report.title, "md"), new Blob([text], { type: "text/markdown;charset=utf-8" }));
  };
  return (
    <details class="menu export" ref={box}>
      <summary>Download</summary>
      <div class="choices">
        <button type="button" class="plain" onClick={() => file(frozenText(report, panelsIn(report.body), texts))}>Markdown, with what the panels show now</button>
        <button type="button" class="plain" onClick={() => file(report.body)}>Markdown, as it was written</button>
      </div>
    </details>
  );
}

function Revisions({ id, shown }: { id: string; shown: number }) {
  const [open, setOpen] = useState(false);
  const { answer, problem } = useAnswer<{ revisions: RevisionHead[] }>(open ? `/reports/${encodeURIComponent(id)}/revisions` : null);
  return (
    <details class="menu" open={open} onToggle={(event) => setOpen(event.currentTarget.open)} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <summary>Revisions</summary>
      {open && (
        <div class="choices">
          {problem && <Notice problem={problem} />}
          <ul class="runs">
            {answer?.revisions.map((each, i) => (
              <li key={each.revision}>
                <a href={address(`/reports/${id}`, { revision: i ? String(each.revision) : null })} aria-current={each.revision === shown ? "page" : undefined} onClick={() => setOpen(false)}>Revision {each.revision}</a> <span class="quiet">{moment(each.saved_at)} · {saverOf(each)}</span>
                <div class="quiet clip">{each.title} · {each.characters} characters</div>
              </li>
            ))}
          </ul>
        </div>
      )}
    </details>
  );
}

function Older({ report, mayChange }: { report: Report; mayChange: boolean }) {
  const [failed, setFailed] = useState<Problem | null>(null);
  const { id, title, body, as_of, revision, newest } = report;
  const restore = () => send("PUT", `/reports/${id}`, { title, body, as_of, based_on: newest }).then(() => ask({ revision: null }), setFailed);
  return (
    <div class="older" role="status">
      <span>This is revision {revision} of {newest}, as it was saved then.</span>
      <a class="button" href={address(`/reports/${id}`)}>The newest</a>
      {mayChange && <button type="button" onClick={restore}>Save it as the newest</button>}
      {failed && <Notice problem={failed} />}
    </div>
  );
}

function Delete({ report }: { report: Report }) {
  const [asked, setAsked] = useState(false);
  const [failed, setFailed] = useState<Problem | null>(null);
  const remove = () => send("DELETE", `/reports/${report.id}`).then(() => go(address("/reports")), setFailed);
  if (failed) return <Notice problem={failed} />;
  if (!asked) return <button type="button" class="plain" onClick={() => setAsked(true)}>Delete</button>;
  return (
    <span class="sure">Hide it from everybody? <button type="button" onClick={remove}>Delete the report</button> <button type="button" class="plain" onClick={() => setAsked(false)}>Keep it</button></span>
  );
}
