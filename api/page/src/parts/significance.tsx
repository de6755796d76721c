import { useAnswer } from "../logic/asking";
import { plain, settings } from "../logic/format";
import { address, ask } from "../logic/route";
import { counted, intervalText, profileOf, rateName, rateText, shareText } from "../logic/scores";
import { MOST_TESTED, nameOf, points, pText, ranked, significanceSheet, verdictOf, type ComparedSystem, type Significance } from "../logic/significance";
import { ExportMenu } from "./export_menu";
import { Notice } from "./notice";

interface Props {
  /** Of systems on one set. */
  evaluations: readonly string[];
  profile: string | null;
  /** `against`: the evaluation that the others are compared with, none for the best; `common`. */
  query: URLSearchParams;
  close?: () => void;
}

/** Systems on one set: how sure each rate is, how far it is from the reference's, and which differences are more than chance. */
export function SignificancePanel({ evaluations, profile, query, close }: Props) {
  const against = evaluations.find((each) => each === query.get("against")) ?? null;
  const common = query.has("common");
  const tested = [...new Set(against ? [against, ...evaluations] : evaluations)].slice(0, MOST_TESTED);
  const { answer, problem, again } = useAnswer<Significance>(tested.length > 1 ? "/significance" : null, {
    system: tested, against: against ? "first" : null, common: common || null, profile,
  });
  const title = answer?.test_set ? `Significance on ${answer.test_set}` : "Significance";
  return (
    <section class="card significance" aria-label="Significance">
      <div class="tools">
        <h2>{title}</h2>
        <span class="grow" />
        {answer && (
          <label>Against <select value={against ?? ""} onChange={(event) => ask({ against: event.currentTarget.value || null })}>
            <option value="">the best</option>
            {ranked(answer).map((each) => <option key={each.evaluation} value={each.evaluation}>{nameOf(each)}</option>)}
          </select></label>
        )}
        <label title="Only utterances that all have recognised, on the same reference"><input type="checkbox" checked={common} onChange={() => ask({ common: common ? null : "1" })} /> Common utterances only</label>
        {answer && <ExportMenu name="Significance" sheet={() => significanceSheet(answer)} />}
        {close && <button type="button" class="plain" aria-label="Close the significance table" onClick={close}>×</button>}
      </div>
      {problem && <Notice problem={problem} again={again} />}
      {problem?.status === 409 && !common && <p class="nothing"><button type="button" onClick={() => ask({ common: "1" })}>Compare what all have with the same reference</button></p>}
      {tested.length < 2 && <p class="nothing">There is one system alone; a test needs two.</p>}
      {!answer && !problem && tested.length > 1 && <p class="quiet">Drawing, and aligning…</p>}
      {answer && !problem && <Tested found={answer} left={evaluations.length - tested.length} />}
    </section>
  );
}

function Tested({ found, left }: { found: Significance; left: number }) {
  const systems = ranked(found);
  const base = systems.find((each) => each.evaluation === found.against);
  const seeds = systems.some((each) => (each.across_seeds?.seeds ?? 0) > 1);
  return (
    <>
      {found.warnings.length > 0 && <ul class="warnings">{found.warnings.map((each) => <li key={each}>{each}.</li>)}</ul>}
      <div class="scrolled" tabIndex={0} role="region" aria-label="Tested systems">
        <table>
          <thead><tr>
            <th scope="col">System</th>
            <th scope="col" class="number" title="with its 95 % interval, in per cent">{rateName(found.unit)}</th>
            <th scope="col" class="number" title="to the one that all are compared with, in points of per cent, with its 95 % interval; negative: fewer errors">Difference</th>
            <th scope="col" class="number" title="two-sided, of the paired bootstrap">p</th>
            <th scope="col" class="number" title="of the paired bootstrap, adjusted by Holm over the systems; the verdict is by it">p (Holm)</th>
            <th scope="col" class="number" title="p of the matched pairs sentence segment word error test">MAPSSWE</th>
            <th scope="col" class="number" title="p of the signed ranks of the speakers' rates">Wilcoxon</th>
            {seeds && <th scope="col" class="number" title="p of Welch's test of the configurations, over their seeds">Seeds</th>}
            <th scope="col">Verdict</th>
          </tr></thead>
          <tbody>{systems.map((each) => <Row key={each.evaluation} {...{ each, found, base, seeds }} />)}</tbody>
        </table>
      </div>
      <p class="quiet">
        {left > 0 && `The first ${systems.length} of ${systems.length + left} systems. `}
        {counted(found.utterances, "utterance")}{found.common && " in common"}{found.speakers > 0 && `, ${counted(found.speakers, "speaker")}`}; {plain(found.draws)} draws of {found.drawn ?? "nothing"}.
        {" "}A verdict needs p (Holm) below {found.alpha}: “not told apart” says that the set is too small to tell, not that two are alike. The other tests are for comparison.
      </p>
    </>
  );
}

interface RowProps {
  each: ComparedSystem;
  found: Significance;
  base: ComparedSystem | undefined;
  seeds: boolean;
}

function Row({ each, found, base, seeds }: RowProps) {
  const { difference } = each;
  const verdict = verdictOf(each, found);
  const profile = profileOf(found);
  return (
    <tr class={each === base ? "lit" : ""}>
      <th scope="row"><a href={address(`/evaluations/${each.evaluation}`, { profile })}>{each.run}</a>{each.decoding && <div class="quiet settings" title={each.decoding}>{settings(each.decoding)}</div>}</th>
      <td class={`number${each.best ? " best" : ""}`} title={`${plain(each.covered)} of ${counted(found.utterances, "utterance")} recognised`}>
        {rateText(each.rate)}<div class="below quiet">{intervalText(each.interval)}</div>
        {each.differs.includes("coverage") && <div class="why">{shareText(each.coverage)} covered</div>}
      </td>
      <td class="number">
        {difference && base ? (
          <>
            <a href={address("/compare", { evaluations: `${base.evaluation},${each.evaluation}`, profile })} title="Utterance by utterance">{points(difference.difference)}</a>
            <div class="below quiet">{points(difference.interval.low)} … {points(difference.interval.high)}</div>
          </>
        ) : "–"}
      </td>
      <td class="number">{pText(difference?.p, found.draws)}</td>
      <td class="number"><b>{pText(difference?.p_adjusted, found.draws)}</b></td>
      <td class="number">{pText(difference?.mapsswe?.p)}</td>
      <td class="number">{pText(difference?.wilcoxon?.p)}</td>
      {seeds && <td class="number" title={each.across_seeds ? `${counted(each.across_seeds.seeds, "seed")}, mean ${rateText(each.across_seeds.mean)}` : ""}>{pText(difference?.welch?.p)}</td>}
      <td><span class={`verdict ${verdict.replace(/ /g, "-")}`}>{verdict}</span></td>
    </tr>
  );
}
