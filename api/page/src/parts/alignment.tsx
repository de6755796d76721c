import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { lines, merged, wordNumbers, type Alignment, type Operation, type Step } from "../logic/alignment";
import { useAnswer } from "../logic/asking";
import { address } from "../logic/route";
import { counted } from "../logic/scores";
import { Notice } from "./notice";

const MARKS: Record<Operation, string> = { hit: "", substitution: "S", deletion: "D", insertion: "I" };
const LETTER_PX = 8.2;
const NAMES_PX = 130;

interface Props {
  evaluations: readonly string[];
  utterance: string;
  profile: string | null;
  /** What each evaluation is called; without names they are called by their runs. */
  names?: ReadonlyMap<string, string>;
  spoken?: Spoken | null;
}

/** Of a single hypothesis whose sound is there: how many words have times, the one that is heard, and what plays one. */
export interface Spoken {
  words: number;
  current: number;
  play: (word: number) => void;
}

/** Hypotheses word by word under their reference. What kind an error is says a letter, not a colour alone. */
export function AlignmentPanel({ evaluations, utterance, profile, names, spoken = null }: Props) {
  const { answer, problem, again } = useAnswer<Alignment>("/alignment", { evaluation: evaluations, utterance, profile });
  const box = useRef<HTMLElement>(null);
  const letters = useLetters(box);
  return (
    <section class="card alignment" ref={box} aria-label="Alignment">
      {problem ? <Notice problem={problem} again={again} /> : answer && <Aligned answer={answer} letters={letters} names={names ?? new Map()} profile={profile} spoken={spoken} />}
    </section>
  );
}

interface AlignedProps {
  answer: Alignment;
  letters: number;
  names: ReadonlyMap<string, string>;
  profile: string | null;
  spoken: Spoken | null;
}

function Aligned({ answer, letters, names, profile, spoken }: AlignedProps) {
  const found = answer.hypotheses;
  const columns = merged(found.map((each) => each.steps));
  const numbers = wordNumbers(columns);
  const timed = numbers.size === spoken?.words ? spoken : null;
  const single = found.length === 1;
  const name = (each: Alignment["hypotheses"][number]) => names.get(each.evaluation) ?? (single ? "Recognised" : each.run);
  return (
    <>
      <h2>{answer.utterance}{answer.speaker && <span class="quiet"> · speaker {answer.speaker}</span>}</h2>
      {lines(columns, letters).map((line, number) => (
        <table key={number} class="steps">
          <tbody>
            <tr class="reference"><th scope="row">Reference</th>{line.map((column, i) => <td key={i} class={column.reference === null ? "gap" : ""}>{column.reference}</td>)}</tr>
            {found.map((each, system) => (
              <tr key={each.evaluation}>
                <th scope="row" class="clip" title={name(each)}>{name(each)}</th>
                {each.steps ? line.map((column, i) => <StepCell key={i} step={column.steps[system] ?? null} word={numbers.get(column) ?? -1} timed={timed} />) : <td class="quiet" colSpan={line.length}>{number ? "" : "no hypothesis"}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      ))}
      {!columns.length && <p>Reference: {answer.reference || "nothing is said"}</p>}
      <p class="quiet legend">
        {found.map((each) => <span key={each.evaluation}>{!single && <><a href={address(`/evaluations/${each.evaluation}`, { utterance: answer.utterance, profile })}>{name(each)}</a>: </>}{each.hypothesis === null ? "no hypothesis" : counted(each.errors, "error")}</span>)}
        <span><b class="substitution">S</b> substituted</span><span><b class="deletion">D</b> left out</span><span><b class="insertion">I</b> inserted</span>
      </p>
      <details>
        <summary>As written</summary>
        <dl class="pairs">
          <dt>Reference</dt><dd>{answer.reference}</dd>
          {found.map((each) => [<dt key={each.evaluation}>{name(each)}</dt>, <dd key={`${each.evaluation}=`}>{each.hypothesis ?? <span class="quiet">no hypothesis</span>}</dd>])}
        </dl>
      </details>
    </>
  );
}

function StepCell({ step, word, timed }: { step: Step | null; word: number; timed: Spoken | null }) {
  if (!step) return <td class="gap" />;
  const mark = MARKS[step.operation];
  return (
    <td class={step.operation}>
      {step.hypothesis === null && <span aria-hidden="true">∅</span>}
      {step.hypothesis !== null && (timed
        ? <button type="button" class="word" title="Play from here" aria-current={timed.current === word} onClick={() => timed.play(word)}>{step.hypothesis}</button>
        : <span class="word">{step.hypothesis}</span>)}
      {mark && <><small aria-hidden="true">{mark}</small><span class="unseen"> ({step.operation})</span></>}
    </td>
  );
}

/** So many letters fit beside the names. */
function useLetters(box: { current: HTMLElement | null }): number {
  const [letters, setLetters] = useState(60);
  useLayoutEffect(() => {
    const measure = () => setLetters(Math.max(16, Math.floor((box.current!.clientWidth - NAMES_PX - 36) / LETTER_PX)));
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return letters;
}
