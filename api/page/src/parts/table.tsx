import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface TableColumn<Row> {
  id: string;
  title: string;
  hint?: string;
  width: number;
  numeric?: boolean;
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
  highlighted?: string | null;
  highlight?: (row: string | null) => void;
  open?: (row: Row) => void;
  /** A row was gone to, by keys or a click. */
  activate?: (row: Row) => void;
  toggle?: (row: Row) => void;
}

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
  const grid = { gridTemplateColumns: columns.map((each) => `${each.width}px`).join(" ") };
  const width = columns.reduce((sum, each) => sum + each.width, 0);
  return (
    <div
      class="table" ref={box} onScroll={measure} tabIndex={0} role="grid" aria-label={props.label} onKeyDown={move}
      aria-rowcount={more ? -1 : rows.length + 1} aria-activedescendant={rows[active] ? `${id}-${active}` : undefined}
      onMouseLeave={() => props.highlight?.(null)}
    >
      <div class="heads" role="row" style={{ ...grid, minWidth: `${width}px` }}>
        {columns.map((each) => <Head key={each.id} column={each} sort={props.sort} />)}
      </div>
      <div class="body" role="rowgroup" style={{ height: `${rows.length * ROW}px`, minWidth: `${width}px` }}>
        {rows.slice(first, first + count).map((row, i) => (
          <div
            key={row.id} id={`${id}-${first + i}`} role="row" aria-rowindex={first + i + 2}
            class={`row${row.id === props.highlighted ? " lit" : ""}${first + i === active ? " active" : ""}`}
            style={{ ...grid, transform: `translateY(${(first + i) * ROW}px)` }}
            onMouseEnter={() => props.highlight?.(row.id)} onClick={() => props.activate && become(first + i)}
          >
            {columns.map((each) => <div key={each.id} role="gridcell" class={each.numeric ? "number" : ""}>{each.cell(row)}</div>)}
          </div>
        ))}
      </div>
    </div>
  );
}

function Head<Row>({ column, sort }: { column: TableColumn<Row>; sort?: ((column: string) => void) | undefined }) {
  const sign = { ascending: " ↑", descending: " ↓", none: "" }[column.sort ?? "none"];
  return (
    <div role="columnheader" aria-sort={column.sort} class={column.numeric ? "number" : ""}>
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
