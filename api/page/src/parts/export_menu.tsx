import { useEffect, useRef, useState } from "preact/hooks";
import { heightOf, svg, WIDTH, type Drawing } from "../logic/chart_svg";
import { csv, fileName, latex, origin, save, type Sheet } from "../logic/exports";
import type { PanelText } from "../logic/panel_text";
import { shownShare } from "../logic/route";
import { later } from "./later";

interface Choice {
  title: string;
  act: () => void | Promise<void>;
}

const SHARPER = 2;
const AddToReport = later(() => import("./add_to_report").then((part) => part.AddToReport));

/** A table, for programs and for papers. sheet: made when it is asked for. */
export function ExportMenu({ name, sheet, panel = null }: { name: string; sheet: () => Sheet; panel?: PanelText | null }) {
  const file = (kind: string, type: string, write: (made: Sheet) => string): Choice => ({
    title: kind === "tex" ? "LaTeX (booktabs)" : "CSV",
    act: () => save(fileName(name, kind), new Blob([write(sheet())], { type })),
  });
  return <Menu name={name} choices={[file("csv", "text/csv;charset=utf-8", csv), file("tex", "application/x-tex;charset=utf-8", latex)]} panel={panel} vector={() => sheet().vector} />;
}

interface ChartProps extends Omit<Drawing, "about"> {
  vector: string;
  /** As a report would have it. */
  panel: PanelText | null;
}

/** A chart as it is drawn, and the numbers that it is drawn from. */
export function ExportChart({ vector, panel, ...chart }: ChartProps) {
  const about = () => origin({ name: chart.name, notes: [], vector });
  const drawing = () => ({ ...chart, about: about() });
  const choices: Choice[] = [
    { title: "PNG", act: async () => save(fileName(chart.name, "png"), await png(drawing())) },
    { title: "SVG", act: () => save(fileName(chart.name, "svg"), new Blob([svg(drawing())], { type: "image/svg+xml" })) },
    { title: "CSV", act: () => save(fileName(chart.name, "csv"), new Blob([csv(pointsOf(chart, vector))], { type: "text/csv;charset=utf-8" })) },
  ];
  return <Menu name={chart.name} choices={choices} panel={panel} vector={() => vector} brief />;
}

/** Every point once, in the order of the lines; a smoothed line beside what it smooths. */
function pointsOf({ name, lines, axis, zoom }: Drawing | Omit<Drawing, "about">, vector: string): Sheet {
  const smooth = lines.some((line) => line.raw);
  const rows = lines.flatMap((line) => line.x.flatMap((x, i) => {
    if (zoom && (x < zoom[0] || x > zoom[1])) return [];
    const value = (line.raw ?? line).y[i] ?? null;
    return [[line.name, x, value, ...(smooth ? [line.y[i] ?? null] : [])]];
  }));
  const columns = ["run", axis, name, ...(smooth ? [`${name} smoothed`] : [])].map((title) => ({ title }));
  return { name, notes: ["thinned to what the chart draws"], vector, columns, rows };
}

async function png(drawing: Drawing): Promise<Blob> {
  const height = heightOf(drawing);
  const image = new Image(WIDTH, height);
  image.src = URL.createObjectURL(new Blob([svg(drawing)], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [WIDTH * SHARPER, height * SHARPER];
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((done) => canvas.toBlob((made) => done(made!), "image/png"));
}

interface MenuProps {
  name: string;
  choices: readonly Choice[];
  panel: PanelText | null;
  vector: () => string;
  brief?: boolean;
}

function Menu({ name, choices: files, panel, vector, brief }: MenuProps) {
  const [adding, setAdding] = useState<PanelText | null>(null);
  const choices = panel && !shownShare() ? [...files, { title: "Add to report…", act: () => setAdding(panel) }] : files;
  const box = useRef<HTMLDetailsElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return;
    const away = (event: Event) => box.current?.contains(event.target as Node) || setOpen(false);
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("focusin", away);
    };
  }, [open]);
  const leave = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !open) return;
    event.stopPropagation();
    setOpen(false);
    box.current?.querySelector("summary")?.focus();
  };
  return (
    <>
      <details class={`menu export${brief ? " brief" : ""}`} ref={box} open={open} onToggle={(event) => setOpen(event.currentTarget.open)} onKeyDown={leave}>
        <summary aria-label={`Export ${name}`} title="Export">{brief ? "⤓" : "Export"}</summary>
        <div class="choices">
          {choices.map((each) => (
            <button type="button" class="plain" key={each.title} onClick={() => { setOpen(false); void each.act(); }}>{each.title}</button>
          ))}
        </div>
      </details>
      {adding && <AddToReport panel={adding} name={name} vector={vector()} close={() => setAdding(null)} />}
    </>
  );
}

/** For what has no files to be exported to. */
export function ToReport({ panel, name }: { panel: PanelText; name: string }) {
  const [adding, setAdding] = useState(false);
  if (shownShare()) return null;
  return (
    <>
      <button type="button" class="plain" onClick={() => setAdding(true)}>Add to report…</button>
      {adding && <AddToReport panel={panel} name={name} vector={null} close={() => setAdding(false)} />}
    </>
  );
}
