import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface TableColumn<Row> {
  id: string;
  title: string;
  hint?: string;
  width: number;
  numeric?: boolean;
  /** Stays in sight beside the first column when the table is scrolled sideways; such columns stand before the others. */
  pinned?: boolean;
  sort?: "ascending" | "descending" | "none";
  cell: (row: Row) => ComponentChildren;
}

interface Props<Row extends { id: string }> {
  label: string;
  rows: readonly Row[];
  columns: readonly TableColumn<Row>[];
  /** Whether rows follow that are not loaded yet, and the call for them. */
  more: boolean;
  loadMore: () => void;
  sort?: (column: string) => void;
  /** A column was dragged to the place of another. */
  reorder?: (column: string, place: string) => void;
  highlighted?: string | null;
  highlight?: (row: string | null) => void;
  open?: (row: Row) => void;
  /** A row was gone to, by keys or a click. */
  activate?: (row: Row) => void;
  toggle?: (row: Row) => void;
}

const DRAGGED = "text/x-tracker-column";
const ROW = 32;
const BEYOND = 10;
/** So many rows before the end of what is loaded, the next are asked for. */
const AHEAD = 60;

/** A table that draws only the rows in sight: scrolling costs the same with a hundred rows and with 100,000. */
export function VirtualTable<Row extends { id: string }>(props: Props<Row>) {
  const { rows, columns, more, loadMore } = props;
  const box = useRef<HTMLDivElement>(null);
  const [first, setFirst] = useState(0);
  const [count, setCount] = useState(40);
  const [active, setActive] = useState(-1);
  const id = useId();
  const become = (place: number) => {
    setActive(place);
    if (rows[place]) props.activate?.(rows[place]);
  };

  const measure = useCallback(() => {
    const element = box.current;
    if (!element) return;
    setFirst(Math.max(0, Math.floor(element.scrollTop / ROW) - BEYOND));
    setCount(Math.ceil(element.clientHeight / ROW) + 2 * BEYOND);
  }, []);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (more && first + count + AHEAD > rows.length) loadMore();
  }, [first, count, rows.length, more, loadMore]);

  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
    const row = rows[active];
    if (step) {
      const next = Math.max(0, Math.min(rows.length - 1, active + step));
      become(next);
      show(box.current!, next);
    } else if (event.target === box.current && event.key === "Enter" && row) props.open?.(row);
    else if (event.target === box.current && event.key === " " && row) props.toggle?.(row);
    else return;
    event.preventDefault();
  };
  const lefts = columns.map((each, i) => (i === 0 || each.pinned ? columns.slice(0, i).reduce((sum, one) => sum + one.width, 0) : null));
  const grid = { gridTemplateColumns: columns.map((each) => `${each.width}px`).join(" ") };
  const width = columns.reduce((sum, each) => sum + each.width, 0);
  return (
    <div
      class="table" ref={box} onScroll={measure} tabIndex={0} role="grid" aria-label={props.label} onKeyDown={move}
      aria-rowcount={more ? -1 : rows.length + 1} aria-activedescendant={rows[active] ? `${id}-${active}` : undefined}
      onMouseLeave={() => props.highlight?.(null)}
    >
      <div class="heads" role="row" style={{ ...grid, minWidth: `${width}px` }}>
        {columns.map((each, i) => <Head key={each.id} column={each} left={lefts[i] ?? null} sort={props.sort} reorder={props.reorder} />)}
      </div>
      <div class="body" role="rowgroup" style={{ height: `${rows.length * ROW}px`, minWidth: `${width}px` }}>
        {rows.slice(first, first + count).map((row, i) => (
          <div
            key={row.id} id={`${id}-${first + i}`} role="row" aria-rowindex={first + i + 2}
            class={`row${row.id === props.highlighted ? " lit" : ""}${first + i === active ? " active" : ""}`}
            style={{ ...grid, transform: `translateY(${(first + i) * ROW}px)` }}
            onMouseEnter={() => props.highlight?.(row.id)} onClick={() => props.activate && become(first + i)}
          >
            {columns.map((each, i) => <div key={each.id} role="gridcell" class={lookOf(each, lefts[i] ?? null)} style={placeOf(lefts[i] ?? null)}>{each.cell(row)}</div>)}
          </div>
        ))}
      </div>
    </div>
  );
}

function lookOf<Row>(column: TableColumn<Row>, left: number | null): string {
  return [column.numeric ? "number" : "", left === null ? "" : "pinned"].filter(Boolean).join(" ");
}

function placeOf(left: number | null) {
  return left === null ? undefined : { left: `${left}px` };
}

interface HeadProps<Row> {
  column: TableColumn<Row>;
  left: number | null;
  sort: Props<Row & { id: string }>["sort"] | undefined;
  reorder: Props<Row & { id: string }>["reorder"] | undefined;
}

function Head<Row>({ column, left, sort, reorder }: HeadProps<Row>) {
  const sign = { ascending: " ↑", descending: " ↓", none: "" }[column.sort ?? "none"];
  const drop = (event: DragEvent) => {
    event.preventDefault();
    const dragged = event.dataTransfer?.getData(DRAGGED);
    if (dragged) reorder?.(dragged, column.id);
  };
  return (
    <div
      role="columnheader" aria-sort={column.sort} class={lookOf(column, left)} style={placeOf(left)} draggable={!!reorder}
      onDragStart={(event) => event.dataTransfer?.setData(DRAGGED, column.id)} onDragOver={(event) => reorder && event.preventDefault()} onDrop={drop}
    >
      {column.sort && sort
        ? <button type="button" class="plain" title={column.hint ?? column.title} onClick={() => sort(column.id)}>{column.title}{sign}</button>
        : column.title}
    </div>
  );
}

function show(box: HTMLElement, row: number): void {
  const [top, bottom] = [row * ROW, (row + 2) * ROW];
  if (top < box.scrollTop) box.scrollTop = top;
  else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}
