import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import type { RunPage } from "../logic/api";
import type { Alignment } from "../logic/alignment";
import { Position, useAnswer, usePosition } from "../logic/asking";
import { column, parseOrder, USUAL } from "../logic/columns";
import { settings } from "../logic/format";
import { limitOf, listed, type PanelForm, type PanelProps } from "../logic/panel_form";
import { useRefreshed } from "../logic/refreshed";
import { marked, positionText, tableText } from "../logic/reports";
import { address } from "../logic/route";
import { bestOf, differences, orderedSystems, rateText, systemKey, type Scoreboard } from "../logic/scores";
import { boardSheet, runsSheet } from "../logic/sheets";
import { loggedSheet, type Board } from "../views/board_logged";
import { Score } from "../views/board_scored";
import { breakdownSheet, Found, type Groups } from "./breakdown";
import { Empty, Notice } from "./notice";
import { ReportChart } from "./report_chart";
import { SheetTable } from "./sheet_table";
import { UtterancePanel } from "./utterance";

interface FrameProps extends PanelProps {
  /** Where the whole report is frozen; null: nowhere. */
  position: string | null;
  moments: Readonly<Record<string, string>>;
  /** While it is written: freezes the panel, or lets it live. */
  freeze?: ((frozen: boolean) => void) | undefined;
}

const REFRESH_MS = 30_000;

/** A panel of a report: what it is called, whether it lives, and what it shows; or what is wrong with it, by the line. */
export function ReportPanel({ form, told, position: whole, moments, freeze }: FrameProps) {
  const outer = usePosition();
  const own = form.values.as_of || null;
  const position = own ?? whole ?? outer;
  const title = form.values.title || TITLES[form.kind](form);
  if (form.errors.length) {
    return (
      <section class="report-panel wrong" aria-label={`Panel of line ${form.line}`}>
        <ul role="alert">{form.errors.map((each, i) => <li key={i}><b>Line {each.line}:</b> {each.text}</li>)}</ul>
      </section>
    );
  }
  const Shows = PANELS[form.kind];
  return (
    <section class="report-panel" aria-label={title}>
      <header>
        <h3>{title}</h3>
        {position === null ? <span class="mark live">live</span> : <span class="mark" title={position}>frozen: {positionText(position, moments)}</span>}
        {freeze && (own === null
          ? <button type="button" class="plain" onClick={() => freeze(true)}>Freeze now</button>
          : <button type="button" class="plain" onClick={() => freeze(false)}>Let it live</button>)}
      </header>
      <Position.Provider value={position}>
        <Shows key={JSON.stringify(form.values)} form={form} told={told} />
      </Position.Provider>
    </section>
  );
}

const TITLES: Record<PanelForm["kind"], (form: PanelForm) => string> = {
  leaderboard: ({ values }) => `Leaderboard${values.metric ? ` by ${values.metric.toUpperCase()}` : ""}`,
  runs: () => "Runs",
  chart: (form) => listed(form, "metrics").join(", "),
  matrix: (form) => `Error rates by ${listed(form, "by").map((each) => each.replace(/^condition\./, "")).join(" × ")}`,
  alignment: ({ values }) => values.utterance ?? "",
};

const PANELS: Record<PanelForm["kind"], ComponentType<PanelProps>> = {
  leaderboard: (props) => (props.form.values.metric ? <LoggedPanel {...props} /> : <ScoredPanel {...props} />),
  runs: RunsPanel,
  chart: ReportChart,
  matrix: MatrixPanel,
  alignment: AlignedPanel,
};

function usePanel<T>(path: string, query: Record<string, string | number | boolean | readonly string[] | null>, told: (text: string) => void, text: (answer: T) => string) {
  const asked = useAnswer<T>(path, query);
  useRefreshed(asked.again, REFRESH_MS);
  useEffect(() => {
    if (asked.answer) told(text(asked.answer));
  }, [asked.answer]);
  return asked;
}

function ScoredPanel({ form, told }: PanelProps) {
  const { filter, profile, intervals, order } = form.values;
  const query = { filter: filter ?? null, profile: profile ?? null, test_set: listed(form, "sets"), intervals: intervals === "yes" || null, limit: limitOf(form) };
  const ordered = (board: Scoreboard) => orderedSystems(board.systems, parseOrder(order ?? null));
  const { answer: board, problem, again } = usePanel<Scoreboard>("/scores", query, told, (found) => tableText(boardSheet(found, ordered(found))));
  const position = usePosition();
  if (problem) return <Notice problem={problem} again={again} />;
  if (!board) return null;
  if (!board.systems.length) return <Empty>Nothing is scored here.</Empty>;
  const several = board.test_sets.length > 1;
  const differ = board.systems.some((system) => board.test_sets.some((set) => system.cells[set.test_set] && differences(system.cells[set.test_set]!, set).length));
  return (
    <>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Systems and test sets">
        <table class="board">
          <thead><tr>
            <th scope="col">System</th><th scope="col" class="broad-only">Decoding</th>
            {board.test_sets.map((set) => <th key={set.test_set} scope="col" class="number">{set.test_set}<div class="below">{set.revision ? `revision ${set.revision}` : "own references"}</div></th>)}
            {several && <th scope="col" class="number">Mean of sets</th>}
          </tr></thead>
          <tbody>{ordered(board).map((system) => (
            <tr key={systemKey(system)}>
              <th scope="row"><a href={address(`/runs/${system.run_id}`, { as_of: position })}>{system.run}</a><div class="quiet below narrow-only">{settings(system.decoding)}</div></th>
              <td class="quiet settings broad-only" title={system.decoding}>{settings(system.decoding)}</td>
              {board.test_sets.map((set) => <Score key={set.test_set} {...{ system, set, board }} best={bestOf(board, set.test_set)} />)}
              {several && <td class="number">{rateText(system.macro_over_sets)}</td>}
            </tr>
          ))}</tbody>
        </table>
      </div>
      <p class="quiet">Profile {board.profile}.{differ && " ≠ marks numbers that are not like the others of their column."}</p>
    </>
  );
}

function LoggedPanel({ form, told }: PanelProps) {
  const query = { metric: form.values.metric ?? null, filter: form.values.filter ?? null, test_set: listed(form, "sets"), limit: limitOf(form) };
  const { answer, problem, again } = usePanel<Board>("/leaderboard", query, told, (found) => tableText(loggedSheet(found)));
  const position = usePosition();
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  if (!answer.rows.length) return <Empty>No run that the filter takes has a result of this metric.</Empty>;
  return <SheetTable sheet={loggedSheet(answer)} link={(row) => address(`/runs/${answer.rows[row]!.run_id}/test-sets`, { as_of: position })} />;
}

function RunsPanel({ form, told }: PanelProps) {
  const named = listed(form, "columns");
  const columns = (named.length ? named : USUAL).flatMap((id) => column(id) ?? []);
  const fields = [...new Set(["name", ...columns.map((each) => each.field)])].join();
  const query = { filter: form.values.filter ?? null, order_by: form.values.order ?? null, fields, limit: limitOf(form) };
  const sheetOf = ({ runs, next_cursor, vector }: RunPage) => {
    const sheet = runsSheet({ rows: runs, more: next_cursor !== null, vector }, columns, form.values.filter ?? "");
    return { ...sheet, columns: sheet.columns.slice(0, -1), rows: sheet.rows.map((row) => row.slice(0, -1)) };
  };
  const { answer, problem, again } = usePanel<RunPage>("/runs", query, told, (found) => tableText(sheetOf(found)));
  const position = usePosition();
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  if (!answer.runs.length) return <Empty>No run fulfils the filter.</Empty>;
  return <SheetTable sheet={sheetOf(answer)} link={(row) => address(`/runs/${answer.runs[row]!.id}`, { as_of: position })} />;
}

function MatrixPanel({ form, told }: PanelProps) {
  const [evaluations, by] = [listed(form, "evaluations"), listed(form, "by")];
  const query = { evaluation: evaluations, by, order: by.length === 1 ? "worst" : "name", profile: form.values.profile ?? null, intervals: by.length !== 2 || null };
  const { answer, problem, again } = usePanel<Groups>("/breakdown", query, told, (found) => tableText(breakdownSheet(found, evaluations)));
  if (problem) return <Notice problem={problem} again={again} />;
  return answer && <Found found={answer} where={null} flat={null} />;
}

function AlignedPanel({ form, told }: PanelProps) {
  const evaluations = listed(form, "evaluations");
  const [utterance, profile] = [form.values.utterance!, form.values.profile ?? null];
  const lines = ({ reference, hypotheses }: Alignment) => [`- Reference: ${marked(reference)}`, ...hypotheses.map((each) => `- ${marked(each.run)}: ${marked(each.hypothesis ?? "no hypothesis")} (${each.errors} errors)`)];
  usePanel<Alignment>("/alignment", { evaluation: evaluations, utterance, profile }, told, (found) => `${lines(found).join("\n")}\n`);
  return <UtterancePanel evaluations={evaluations} utterance={utterance} profile={profile} />;
}
