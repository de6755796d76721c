import { useMemo, useState } from "preact/hooks";
import type { Run } from "../logic/api";
import { colourOf, dashOf } from "../logic/colours";
import { coordinates, usualCoordinates } from "../logic/parallel";
import { ask, joined, list } from "../logic/route";
import { Empty } from "./notice";

interface Props {
  runs: readonly Run[];
  query: URLSearchParams;
  highlighted: string | null;
  highlight: (run: string | null) => void;
}

const [HEIGHT, TOP, BOTTOM, GAP, SIDE] = [250, 34, 20, 132, 62];

/** A line for each run over axes of parameters and scores; which axes is in the URL. */
export function Parallel({ runs, query, highlighted, highlight }: Props) {
  const all = useMemo(() => coordinates(runs), [runs]);
  const chosen = query.has("axes") ? list(query.get("axes")) : usualCoordinates(all);
  const shown = chosen.flatMap((id) => all.get(id) ?? []);
  const ids = runs.map((run) => run.id);
  const width = 2 * SIDE + GAP * Math.max(1, shown.length - 1);
  const y = (place: number) => TOP + (1 - place) * (HEIGHT - TOP - BOTTOM);
  const x = (axis: number) => SIDE + axis * GAP;
  return (
    <section class="parallel" aria-label="Parameters and scores">
      <div class="tools">
        <h2>Parameters and scores</h2>
        <AxesMenu all={[...all].map(([id, { title }]) => [id, title])} chosen={chosen} />
      </div>
      {shown.length < 2 && <Empty>Choose two axes or more: parameters that differ, results, metrics.</Empty>}
      {shown.length > 1 && (
        <div class="scrolled" tabIndex={0} role="region" aria-label="Parallel coordinates">
          <svg width={width} height={HEIGHT} role="img" aria-label={`${runs.length} runs over ${shown.map((each) => each.title).join(", ")}`} onMouseLeave={() => highlight(null)}>
            {runs.map((run, i) => (
              <path
                key={run.id} d={pathOf(shown.map((axis, at) => (axis.places[i] === null ? null : [x(at), y(axis.places[i]!)])))} stroke={colourOf(run.id)}
                stroke-dasharray={dashOf(run.id, ids).join(" ")} class={highlighted === run.id ? "lit" : highlighted ? "dim" : ""} onMouseEnter={() => highlight(run.id)}
              ><title>{run.name}</title></path>
            ))}
            {shown.map((axis, at) => (
              <g key={axis.title + at} transform={`translate(${x(at)} 0)`}>
                <line y1={TOP} y2={HEIGHT - BOTTOM} />
                <text y={12} class="title"><title>{axis.title}</title>{clipped(axis.title)}</text>
                {axis.marks.map((mark) => <text key={mark.text} y={y(mark.place) + (mark.place === 1 ? -5 : mark.place === 0 ? 13 : 4)}>{clipped(mark.text)}</text>)}
              </g>
            ))}
          </svg>
        </div>
      )}
    </section>
  );
}

function clipped(text: string): string {
  return text.length > 21 ? `…${text.slice(-20)}` : text;
}

/** A line through the points; where a run has no value it is broken. */
function pathOf(points: readonly ([number, number] | null)[]): string {
  return points.map((point, i) => (point ? `${points[i - 1] ? "L" : "M"}${point[0]} ${point[1].toFixed(1)}` : "")).join("");
}

function AxesMenu({ all, chosen }: { all: [string, string][]; chosen: readonly string[] }) {
  const [open, setOpen] = useState(false);
  const toggle = (id: string) => ask({ axes: joined(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]) || "none" });
  return (
    <details class="menu" open={open} onToggle={(event) => setOpen(event.currentTarget.open)} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <summary>Axes</summary>
      {open && (
        <div class="choices">
          <fieldset>
            <legend>Axes, in the order they are chosen</legend>
            {all.map(([id, title]) => <label key={id}><input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} /> {title}</label>)}
          </fieldset>
        </div>
      )}
    </details>
  );
}
