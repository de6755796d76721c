import { useAnswer } from "../logic/asking";
import { plain, settings } from "../logic/format";
import { cellKey, comparedWith, conditionsOf, matricesOf, matricesSheet, shownSystems, usualDimensions, type CountedGroup, type Dimensions, type HeatCell, type HeatMatrix, type Matrices } from "../logic/matrices";
import { address, ask, joined, list } from "../logic/route";
import { counted, profileOf, rateName, rateText, shareText, systemKey, unitName, type Scoreboard, type System } from "../logic/scores";
import { points } from "../logic/significance";
import { factorName } from "../parts/breakdown";
import { ExportMenu } from "../parts/export_menu";
import { FilterBox } from "../parts/filter_box";
import { Empty, Notice } from "../parts/notice";
import { ProfileChoice } from "../parts/profile_choice";

interface Broken {
  vector: string;
  profile: string;
  unit: string | null;
  by: string[];
  factors: Record<string, number>;
  groups: CountedGroup[];
  total: number;
}

const MOST = 200;
const MOST_SYSTEMS = 6;
const MOST_EVALUATIONS = 50;
const MOST_GROUPS = 10_000;
const MOST_LINES = 40;
const PLACES = ["Rows", "Columns", "Apart by"] as const;

/** Error rates of systems over two dimensions, or three: languages, domains, noise; a cell leads to its utterances. */
export function MatrixBoard({ query }: { query: URLSearchParams }) {
  const profile = query.get("profile");
  const filter = query.get("filter") ?? "";
  const { answer: board, problem, again } = useAnswer<Scoreboard>("/scores", { profile, filter, limit: MOST });
  const chosen = list(query.get("chosen"));
  const systems = board ? shownSystems(board.systems, chosen, MOST_SYSTEMS) : [];
  return (
    <>
      <div class="tools">
        <ProfileChoice chosen={profile} />
        <FilterBox value={filter} problem={problem} submit={(text) => ask({ filter: text })} />
      </div>
      {problem && problem.position === null && <Notice problem={problem} again={again} />}
      {board && !systems.length && <p class="nothing">{filter ? "No run that the filter takes has an evaluation that is scored." : "Nothing is scored yet."}</p>}
      {board && systems.length > 0 && <Shown board={board} systems={systems} query={query} />}
    </>
  );
}

function Shown({ board, systems, query }: { board: Scoreboard; systems: readonly System[]; query: URLSearchParams }) {
  const by = list(query.get("by"));
  const asked = by.length > 1 ? by.slice(0, 3) : null;
  const evaluations = systems.flatMap((system) => Object.values(system.cells).map((cell) => cell.evaluation));
  const some = evaluations.slice(0, MOST_EVALUATIONS);
  const profile = query.get("profile");
  const known = useAnswer<Broken>("/breakdown", { evaluation: some, by: "evaluation", profile, limit: 1 });
  const dimensions = (asked ?? (known.answer && usualDimensions(known.answer.factors))) as Dimensions | null;
  const { answer, problem, again } = useAnswer<Broken>(dimensions && "/breakdown", { evaluation: some, by: [...new Set([...(dimensions ?? []), "evaluation"])], profile, limit: MOST_GROUPS });
  const fits = answer && dimensions?.every((each) => answer.by.includes(each));
  const found = fits ? matricesOf(answer.groups, systems, dimensions!) : null;
  const factors = Object.keys(known.answer?.factors ?? {}).filter((each) => each !== "run" && each !== "evaluation");
  return (
    <>
      <div class="tools">
        {dimensions && PLACES.map((title, place) => <DimensionChoice key={title} {...{ title, place, dimensions, factors }} />)}
        <SystemChoice board={board} systems={systems} />
        <span class="grow" />
        {found && <ExportMenu name="Matrices" sheet={() => matricesSheet(found, dimensions!, factorName, { vector: answer!.vector, profile: board.profile, filter: query.get("filter") ?? "" })} />}
      </div>
      {(problem ?? known.problem) && <Notice problem={(problem ?? known.problem)!} again={problem ? again : known.again} />}
      {known.answer && !dimensions && <Empty>These utterances have nothing in common to put them in a matrix by; give them a speaker, a language or conditions when the set is registered.</Empty>}
      {evaluations.length > some.length && <p class="warning">Of {evaluations.length} evaluations the first {some.length} are shown; choose fewer systems, or filter.</p>}
      {answer && answer.total > answer.groups.length && <p class="warning">The first {plain(answer.groups.length)} of {plain(answer.total)} groups.</p>}
      {found && (
        <>
          <Scale highest={found.highest} unit={answer!.unit} />
          <div class="heat-maps">{found.matrices.map((each) => <Heat key={`${systemKey(each.system)} ${each.slice}`} {...{ found, dimensions: dimensions!, board, query }} matrix={each} />)}</div>
        </>
      )}
    </>
  );
}

function DimensionChoice({ title, place, dimensions, factors }: { title: string; place: number; dimensions: Dimensions; factors: readonly string[] }) {
  const mine = dimensions[place] ?? "";
  const choose = (factor: string) => {
    const others = dimensions.map((each, at) => (at === place ? factor : each === factor ? mine : each));
    ask({ by: joined((place < dimensions.length ? others : [...dimensions, factor]).filter(Boolean)), cell: null });
  };
  return (
    <label>{title} <select value={mine} onChange={(event) => choose(event.currentTarget.value)}>
      {place === 2 && <option value="">nothing</option>}
      {[...new Set([...factors, mine])].filter(Boolean).map((each) => <option key={each} value={each}>{factorName(each).replace("_", " ")}</option>)}
    </select></label>
  );
}

function SystemChoice({ board, systems }: { board: Scoreboard; systems: readonly System[] }) {
  const shown = systems.map(systemKey);
  const choose = (key: string) => ask({ chosen: joined(shown.includes(key) ? shown.filter((each) => each !== key) : [...shown, key]), cell: null });
  return (
    <details class="menu">
      <summary>{counted(systems.length, "system")}</summary>
      <div class="choices">
        <p class="quiet">Up to {MOST_SYSTEMS}; the others are compared with the first.</p>
        {board.systems.map((system) => {
          const key = systemKey(system);
          return (
            <label key={key}>
              <input type="checkbox" checked={shown.includes(key)} disabled={!shown.includes(key) && shown.length >= MOST_SYSTEMS} onChange={() => choose(key)} /> {system.run} <span class="quiet" title={system.decoding}>{settings(system.decoding)}</span>
            </label>
          );
        })}
      </div>
    </details>
  );
}

/** One hue from light to dark, which all eyes tell apart; the numbers are in the cells. */
function Scale({ highest, unit }: { highest: number; unit: string | null }) {
  return <p class="quiet scale"><span>{rateName(unit)} 0 %</span><i aria-hidden="true" /><span>{rateText(highest)}</span></p>;
}

interface HeatProps {
  found: Matrices;
  matrix: HeatMatrix;
  dimensions: Dimensions;
  board: Scoreboard;
  query: URLSearchParams;
}

function Heat({ found, matrix, dimensions, board, query }: HeatProps) {
  const { system, slice } = matrix;
  const first = comparedWith(found, matrix);
  const rows = found.rows.slice(0, MOST_LINES);
  const columns = found.columns.slice(0, MOST_LINES);
  const title = [system.run, settings(system.decoding)].filter(Boolean).join(" ");
  const opened = list(query.get("cell"));
  const own = JSON.stringify([systemKey(system), slice]);
  const at = opened[0] === own ? matrix.cells.get(cellKey(opened[1] ?? "", opened[2] ?? "")) : undefined;
  return (
    <section class="card" aria-label={slice === null ? title : `${title}, ${slice || "unknown"}`}>
      <h2><a href={address(`/runs/${system.run_id}`)}>{system.run}</a> <span class="quiet" title={system.decoding}>{settings(system.decoding)}</span>{slice !== null && <> · {factorName(dimensions[2]!)} {slice || "unknown"}</>}</h2>
      <div class="scrolled tall" tabIndex={0} role="region" aria-label={`Matrix of ${title}`}>
        <table class="matrix">
          <thead><tr>
            <th scope="col">{factorName(dimensions[0])} \ {factorName(dimensions[1])}</th>
            {columns.map((column) => <th scope="col" class="number" key={column}>{column || "unknown"}</th>)}
          </tr></thead>
          <tbody>{rows.map((row) => (
            <tr key={row}>
              <th scope="row">{row || "unknown"}</th>
              {columns.map((column) => {
                const cell = matrix.cells.get(cellKey(row, column));
                const values = [row, column, ...(slice === null ? [] : [slice])];
                return cell
                  ? <HeatCellView key={column} {...{ cell, board }} highest={found.highest} other={first?.cells.get(cellKey(row, column))} conditions={conditionsOf(dimensions, values)} open={() => ask({ cell: joined([own, row, column]) })} />
                  : <td key={column} class="number quiet">–</td>;
              })}
            </tr>
          ))}</tbody>
        </table>
      </div>
      {(found.rows.length > rows.length || found.columns.length > columns.length) && <p class="quiet">{rows.length} of {found.rows.length} rows and {columns.length} of {found.columns.length} columns; the export has all.</p>}
      {first && <p class="quiet">Below each rate: to {first.system.run} {settings(first.system.decoding)}, in points.</p>}
      {at && <SharesOf cell={at} title={`${opened[1] || "unknown"}, ${opened[2] || "unknown"}`} conditions={conditionsOf(dimensions, [opened[1] ?? "", opened[2] ?? "", slice ?? ""])} board={board} />}
    </section>
  );
}

interface CellProps {
  cell: HeatCell;
  other: HeatCell | undefined;
  highest: number;
  conditions: readonly string[];
  board: Scoreboard;
  open: () => void;
}

/** Of one evaluation it leads to the utterances; of several it shows which. */
function HeatCellView({ cell, other, highest, conditions, board, open }: CellProps) {
  const heat = highest ? (100 * (cell.rate ?? 0)) / highest : 0;
  const [only, second] = cell.shares;
  const change = other?.rate != null && cell.rate !== null ? cell.rate - other.rate : null;
  return (
    <td class="number" style={{ background: `color-mix(in srgb, var(--heat) ${heat.toFixed(0)}%, transparent)` }} title={`${counted(cell.errors, "error")} in ${counted(cell.tokens, unitName(board.unit))}, ${counted(cell.utterances, "utterance")}, ${shareText(cell.coverage)} covered`}>
      {second
        ? <button type="button" class="link" title="Show which evaluations it is of" onClick={open}>{rateText(cell.rate)}</button>
        : <a href={utterances(only!.evaluation, conditions, board)} title="Show its utterances">{rateText(cell.rate)}</a>}
      {change !== null && <div class="below">{points(change)}</div>}
      <div class="below">{plain(cell.tokens)} {unitName(board.unit)}s{cell.coverage !== null && cell.coverage < 1 && `, ${shareText(cell.coverage)} covered`}</div>
    </td>
  );
}

function utterances(evaluation: string, conditions: readonly string[], board: Scoreboard): string {
  return address(`/evaluations/${evaluation}`, { where: joined(conditions), profile: profileOf(board) });
}

function SharesOf({ cell, title, conditions, board }: { cell: HeatCell; title: string; conditions: readonly string[]; board: Scoreboard }) {
  const sets = new Map(board.systems.flatMap(({ cells }) => Object.entries(cells).map(([set, each]) => [each.evaluation, set])));
  return (
    <div class="choice" role="status">
      <b>{title}:</b>
      {[...cell.shares].sort((a, b) => b.errors - a.errors).map((each) => (
        <a key={each.evaluation} class="tag" href={utterances(each.evaluation, conditions, board)}>{sets.get(each.evaluation) ?? each.evaluation} <span class="quiet">{counted(each.errors, "error")} in {counted(each.utterances, "utterance")}</span></a>
      ))}
      <button type="button" class="plain" aria-label="Close the cell" onClick={() => ask({ cell: null })}>×</button>
    </div>
  );
}
