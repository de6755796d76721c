import { useEffect, useRef, useState } from "preact/hooks";
import { useAnswer } from "../logic/asking";
import { size } from "../logic/format";
import { contentAddress, silence, soundOf, type Recording } from "../logic/recordings";
import { AlignmentPanel } from "./alignment";
import { CorrectionChoice, type Corrected } from "./correction";
import { later } from "./later";
import { MarkChoice, Marked } from "./mark";
import { Notice } from "./notice";

const SoundPanel = later(() => import("./sound").then((part) => part.SoundPanel));

interface Props {
  /** The first one's recording is heard. */
  evaluations: readonly string[];
  utterance: string;
  profile: string | null;
  names?: ReadonlyMap<string, string>;
  /** The registered set whose references may be corrected and marked, and what is done afterwards. */
  correct?: { testSet: string; done: (corrected: Corrected) => void; marked: () => void } | null;
  /** Called when it is known whether there is sound: what stands below would be moved by it. */
  settled?: () => void;
}

/** One utterance to read and to hear: hypotheses word by word, and its sound; a word plays from its beginning. */
export function UtterancePanel({ evaluations, utterance, profile, names, correct = null, settled }: Props) {
  const recording = useAnswer<Recording>(evaluations[0] ? `/evaluations/${evaluations[0]}/recording` : null, { utterance, profile });
  const known = Boolean(recording.answer ?? recording.problem);
  useEffect(() => { if (known) settled?.(); }, [known]);
  const [word, setWord] = useState(-1);
  const seek = useRef<((word: number) => void) | null>(null);
  const found = recording.answer?.utterance === utterance ? recording.answer : null;
  const sound = found && soundOf(found);
  const spoken = sound && found.words.length && evaluations.length === 1 ? { words: found.words.length, current: word, play: (place: number) => seek.current?.(place) } : null;
  return (
    <>
      <AlignmentPanel evaluations={evaluations} utterance={utterance} profile={profile} names={names} spoken={spoken} />
      {found?.mark && <Marked mark={found.mark} />}
      {recording.problem && <Notice problem={recording.problem} again={recording.again} />}
      {recording.answer && soundOf(recording.answer) && (
        <div class="heard">{found && sound && <SoundPanel key={sound.address} sound={sound} label={`Audio of ${utterance}`} words={found.words} spoken={setWord} seek={seek} />}</div>
      )}
      {correct && found && (
        <div class="choice">
          <CorrectionChoice testSet={correct.testSet} utterance={utterance} reference={found.reference} done={correct.done} />
          <MarkChoice testSet={correct.testSet} utterance={utterance} mark={found.mark} done={() => { recording.again(); correct.marked(); }} />
        </div>
      )}
      {found && <Remarks found={found} silent={!sound} />}
    </>
  );
}

function Remarks({ found, silent }: { found: Recording; silent: boolean }) {
  return (
    <>
      {found.warnings.map((each) => <p class="warning" key={each}>{each}</p>)}
      {silent && <p class="quiet silent">{silence(found)}{found.audio && <><br /><code>{found.audio}</code></>}</p>}
      {found.attention && <p><a href={contentAddress(found.attention.id)} download={found.attention.path.split("/").pop()}>Attention: {found.attention.path}</a> <span class="quiet">{size(found.attention.size_bytes)}</span></p>}
      {found.alternatives.length > 0 && (
        <details class="card">
          <summary>{found.alternatives.length} other hypotheses</summary>
          <ol>{found.alternatives.map((each, place) => <li key={place}>{each.text}{each.score !== null && <span class="quiet"> {each.score}</span>}</li>)}</ol>
        </details>
      )}
    </>
  );
}
