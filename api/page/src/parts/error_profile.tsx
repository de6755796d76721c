import type { ComponentChildren } from "preact";
import { useAnswer } from "../logic/asking";
import { isConfusion, type Confusion } from "../logic/evaluations";
import { plain } from "../logic/format";
import { ask, list } from "../logic/route";
import { rateName, rateText, unitName } from "../logic/scores";
import { Notice } from "./notice";

interface FrequentConfusion extends Confusion {
  count: number;
  utterances: number;
  example: string;
}

interface LengthGroup {
  by: { length: string };
  rate: number | null;
  errors: number;
  tokens: number;
  substitutions: number;
  deletions: number;
  insertions: number;
  utterances: number;
}

interface Found {
  unit: string | null;
  missing: number;
  distinct: { substitutions: number; deletions: number; insertions: number };
  substitutions: FrequentConfusion[];
  deletions: FrequentConfusion[];
  insertions: FrequentConfusion[];
  by_length: LengthGroup[];
  warnings: string[];
}

interface Props {
  evaluation: string;
  profile: string | null;
  query: URLSearchParams;
}

const MOST = 100;
const KINDS = [
  ["substitutions", "Taken for another"],
  ["deletions", "Left out"],
  ["insertions", "Put in"],
] as const;
const PARTS = [
  ["substitutions", "substitution", "substituted"],
  ["deletions", "deletion", "left out"],
  ["insertions", "insertion", "inserted"],
] as const;

/** What a system takes for what, leaves out and puts in, and how its errors go with length; each leads to its utterances. */
export function ErrorProfile({ evaluation, profile, query }: Props) {
  const { answer, problem, again } = useAnswer<Found>(`/evaluations/${evaluation}/confusions`, { profile, limit: MOST });
  if (problem) return <Notice problem={problem} again={again} />;
  if (!answer) return <p class="quiet">Aligning the utterances with errors…</p>;
  const chosen = { reference: query.get("said"), hypothesis: query.get("heard") };
  return (
    <>
      {answer.warnings.map((each) => <p class="warning" key={each}>{each}</p>)}
      <ByLength found={answer} where={list(query.get("where"))} />
      <div class="kinds">
        {KINDS.map(([kind, title]) => (
          <Frequent key={kind} title={title} confusions={answer[kind]} distinct={answer.distinct[kind]} chosen={chosen} />
        ))}
      </div>
      {answer.missing > 0 && <p class="quiet">Words of the {plain(answer.missing)} utterances without a hypothesis count as left out in the score; they are not listed here.</p>}
    </>
  );
}

interface FrequentProps {
  title: string;
  confusions: readonly FrequentConfusion[];
  distinct: number;
  chosen: Confusion;
}

function Frequent({ title, confusions, distinct, chosen }: FrequentProps) {
  const most = Math.max(1, ...confusions.map((each) => each.count));
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      {!confusions.length && <p class="quiet">Never.</p>}
      <div class="scrolled tall" tabIndex={0} role="region" aria-label={`${title}, the most frequent first`}>
        <table class="confusions"><tbody>
          {confusions.map((each) => {
            const shown = isConfusion(chosen) && each.reference === chosen.reference && each.hypothesis === chosen.hypothesis;
            return (
              <tr key={JSON.stringify([each.reference, each.hypothesis])} class={shown ? "lit" : ""}>
                <td>
                  <button type="button" class="link" aria-pressed={shown} title={`Show the utterances with it, ${each.example} for one`}
                    onClick={() => ask({ said: shown ? null : each.reference, heard: shown ? null : each.hypothesis, utterance: null })}>
                    <Words confusion={each} />
                  </button>
                </td>
                <td class="number" title={`in ${plain(each.utterances)} utterances`}>{plain(each.count)}</td>
                <td class="share" aria-hidden="true"><Meter share={each.count / most} /></td>
              </tr>
            );
          })}
        </tbody></table>
      </div>
      {distinct > confusions.length && <p class="quiet">The most frequent {confusions.length} of {plain(distinct)}.</p>}
    </section>
  );
}

/** the → a; one side alone: what was left out, or put in. */
export function Words({ confusion: { reference, hypothesis } }: { confusion: Confusion }) {
  if (reference === null) return <span class="insertion">{hypothesis}</span>;
  if (hypothesis === null) return <span class="deletion">{reference}</span>;
  return <>{reference} <span class="quiet">→</span> {hypothesis}</>;
}

function ByLength({ found, where }: { found: Found; where: readonly string[] }) {
  const highest = Math.max(1e-9, ...found.by_length.map((each) => each.rate ?? 0));
  const unit = `${unitName(found.unit)}s`;
  return (
    <section class="card" aria-label="By length">
      <h2>{rateName(found.unit)} by length of the reference</h2>
      <Legend />
      <table class="lengths">
        <thead><tr><th scope="col">{unit[0]!.toUpperCase() + unit.slice(1)}</th><th scope="col" class="number">{rateName(found.unit)}</th><th scope="col"><span class="unseen">Of which kinds</span></th><th scope="col" class="number">Utterances</th></tr></thead>
        <tbody>{found.by_length.map((each) => {
          const condition = `length=${each.by.length}`;
          const shown = where.includes(condition);
          return (
            <tr key={each.by.length} class={shown ? "lit" : ""}>
              <td><button type="button" class="link" aria-pressed={shown} title="Show its utterances" onClick={() => ask({ where: shown ? null : condition, utterance: null })}>{each.by.length}</button></td>
              <td class="number"><b>{rateText(each.rate)}</b></td>
              <td class="share"><Stack group={each} highest={highest} /></td>
              <td class="number">{plain(each.utterances)}</td>
            </tr>
          );
        })}</tbody>
      </table>
    </section>
  );
}

/** A bar as long as the rate, made of its three kinds of errors. */
function Stack({ group, highest }: { group: LengthGroup; highest: number }) {
  const told = PARTS.map(([kind, , word]) => `${plain(group[kind])} ${word}`).join(", ");
  let left = 0;
  return (
    <Bar title={told}>
      {PARTS.map(([kind, name]) => {
        const width = group.tokens ? (group[kind] / group.tokens / highest) * 100 : 0;
        left += width;
        return <rect key={kind} class={`fill-${name}`} x={left - width} width={width} height="10" />;
      })}
    </Bar>
  );
}

function Meter({ share }: { share: number }) {
  return <Bar><rect class="fill" width={100 * share} height="10" /></Bar>;
}

function Bar({ title, children }: { title?: string; children: ComponentChildren }) {
  return (
    <svg class="meter" viewBox="0 0 100 10" preserveAspectRatio="none" role={title ? "img" : undefined} aria-label={title}>
      {title && <title>{title}</title>}
      {children}
    </svg>
  );
}

function Legend() {
  return (
    <p class="quiet legend">
      {PARTS.map(([kind, name, word]) => <span key={kind}><svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect class={`fill-${name}`} width="10" height="10" /></svg> {word}</span>)}
    </p>
  );
}
