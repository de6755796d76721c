import type { Sheet, SheetCell } from "../logic/exports";

interface Props {
  sheet: Sheet;
  /** Where the first cell of a row leads to. */
  link?: (row: number) => string;
}

/** A sheet as people read it. */
export function SheetTable({ sheet, link }: Props) {
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label={sheet.name}>
      <table>
        <thead><tr>{sheet.columns.map((each, i) => <th key={i} scope="col" class={each.numeric ? "number" : ""}>{each.title}</th>)}</tr></thead>
        <tbody>{sheet.rows.map((row, place) => (
          <tr key={place}>{row.map((cell, i) => (
            <td key={i} class={[sheet.columns[i]?.numeric ? "number" : "", bestOf(cell) ? "best" : ""].filter(Boolean).join(" ")}>
              {i === 0 && link ? <a href={link(place)}>{textOf(cell)}</a> : textOf(cell)}
            </td>
          ))}</tr>
        ))}</tbody>
      </table>
    </div>
  );
}

function textOf(cell: SheetCell): string {
  if (cell === null) return "";
  return typeof cell === "object" ? cell.text : String(cell);
}

function bestOf(cell: SheetCell): boolean {
  return cell !== null && typeof cell === "object" && !!cell.best;
}
