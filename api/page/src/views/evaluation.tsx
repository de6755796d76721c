import { useEffect, useState } from "preact/hooks";
import { mayEdit } from "../logic/api";
import { useAnswer } from "../logic/asking";
import { decodingOf, type Evaluation, type OneEvaluation, type Score } from "../logic/evaluations";
import { moment, plain, realTime, settings } from "../logic/format";
import { address, shownMoment } from "../logic/route";
import { counted, rateName, rateText, shareText, unitName } from "../logic/scores";
import { useTitle } from "../logic/title";
import type { ViewProps } from "../logic/view";
import type { Corrected } from "../parts/correction";
import { Empty, Notice } from "../parts/notice";
import { ProfileChoice } from "../parts/profile_choice";
import { Utterances } from "./evaluation_utterances";

const SCORING_MS = 2_000;

/** One evaluation, under /evaluations/ID: its numbers, who and what they come from, and every utterance. */
export function EvaluationView({ route, me }: ViewProps) {
  const id = route.parts[1] ?? "";
  const profile = route.query.get("profile");
  const { answer, problem, again } = useAnswer<OneEvaluation>(`/evaluations/${encodeURIComponent(id)}`, { profile });
  useTitle(answer && `${answer.evaluation.run} on ${answer.evaluation.test_set ?? "a set without a name"}`);
  const [corrected, setCorrected] = useState<(Corrected & { rate: number | null }) | null>(null);
  const waiting = corrected !== null && !!answer && (answer.evaluation.revision ?? 0) <= corrected.revision;
  useEffect(() => {
    if (!waiting || corrected.scored) return;
    const timer = setInterval(again, SCORING_MS);
    return () => clearInterval(timer);
  }, [waiting]);
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return null;
  const { evaluation, unit } = answer;
  const done = (found: Corrected) => {
    setCorrected({ ...found, rate: evaluation.score?.rate ?? null });
    again();
  };
  const correct = evaluation.registered && evaluation.test_set !== null && mayEdit(me) && shownMoment() === null
    ? { testSet: evaluation.test_set, done }
    : null;
  return (
    <div class="evaluation">
      <header>
        <div class="tools">
          <h1>{evaluation.run} <span class="quiet">on</span> {evaluation.test_set ?? "a set without a name"}</h1>
          <span class="grow" />
          <ProfileChoice chosen={profile} />
        </div>
        <p class="quiet">
          <a href={address(`/runs/${evaluation.run_id}`)}>The run</a> · {about(evaluation).join(" · ")}
        </p>
        {corrected && <p role="status" class="corrected">{outcome(corrected, waiting, evaluation.score, unit)}</p>}
        {evaluation.score && <Figures score={evaluation.score} unit={unit} />}
      </header>
      {evaluation.score && !evaluation.score.refused
        ? <Utterances key={evaluation.revision} id={evaluation.id} testSet={evaluation.test_set} profile={profile} query={route.query} correct={correct} />
        : <Empty>{unscored(evaluation)}</Empty>}
    </div>
  );
}

function outcome({ utterance, rate, revision, scored }: Corrected & { rate: number | null }, waiting: boolean, score: Score | null, unit: string | null): string {
  if (waiting && scored) return `The reference of ${utterance} is corrected; what is shown here is still scored on revision ${revision}.`;
  if (waiting) return `The reference of ${utterance} is corrected; every system is being scored again…`;
  return `The reference of ${utterance} is corrected, and every system scored again: ${rateName(unit)} here ${rateText(rate)} → ${rateText(score?.rate)}.`;
}

function about(evaluation: Evaluation): string[] {
  return [
    evaluation.name ?? "", settings(decodingOf(evaluation)), evaluation.checkpoint ?? "", evaluation.language ?? "",
    evaluation.revision ? `revision ${evaluation.revision} of the set` : evaluation.registered ? "" : "references of its own",
    evaluation.state === "complete" ? "" : evaluation.state, moment(evaluation.started_at),
  ].filter(Boolean);
}

function unscored({ score, state }: Evaluation): string {
  if (score) return `There is no score by this profile: ${score.refused}.`;
  if (state === "open") return "Its hypotheses are still being written; the score follows when they are complete.";
  if (state === "incomplete") return "It was ended, but not all of its hypotheses are here yet; there is no score until they are.";
  return "Its test set has no utterances yet; register them, and it is scored.";
}

/** The headline first, and beside it all that it must not be mistaken for. */
function Figures({ score, unit }: { score: Score; unit: string | null }) {
  const units = `${unitName(unit)}s`;
  const number = (value: number | null) => (value === null ? "–" : plain(value));
  const figures: [string, string, string][] = [
    [rateName(unit), rateText(score.rate), `${number(score.errors)} of ${number(score.tokens)} ${units}`],
    ["Substituted", number(score.substitutions), "S"],
    ["Left out", number(score.deletions), "D"],
    ["Inserted", number(score.insertions), "I"],
    ["Correct", number(score.hits), "C"],
    ["Coverage", shareText(score.coverage), `${number(score.covered)} of ${counted(score.utterances, "utterance")}`],
    ["Utterances with errors", rateText(score.sentence_error_rate), `SER, ${number(score.wrong)} of them`],
    ["Mean of speakers", rateText(score.mean_of_speakers), score.speakers ? counted(score.speakers, "speaker") : "no speakers known"],
    ["Mean of utterances", rateText(score.mean_of_utterances), ""],
    ["RTF", realTime(score.rtf), ""],
  ];
  const flags = Object.entries(score.flags).filter((flag): flag is [string, number] => typeof flag[1] === "number" && flag[1] > 0);
  return (
    <>
      <dl class="figures">
        {figures.map(([name, value, below]) => <div key={name}><dt>{name}</dt><dd><b>{value}</b>{below && <span class="quiet">{below}</span>}</dd></div>)}
      </dl>
      {score.coverage !== null && score.coverage < 1 && <p class="warning">Hypotheses are missing for {counted((score.utterances ?? 0) - (score.covered ?? 0), "utterance")}.</p>}
      {score.logged_differs && <p class="warning">The run itself logged {rateText(score.logged ?? score.logged_mean)}: another number, by more than rounding.</p>}
      {flags.map(([flag, value]) => <p class="warning" key={flag}>{flag.replace(/_/g, " ")}: {plain(value)}</p>)}
    </>
  );
}
