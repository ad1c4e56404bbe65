/** Thumbnails of any number of pictures: what is on the screen is all there is in the page. Chosen by mouse, finger or keyboard. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { classColor } from "./colors.js";
import { thumbnail, useNames } from "./pictures.js";
import type { Studio } from "./use-studio.js";

export interface GridProps {
  readonly studio: Studio;
  readonly rows: readonly number[];
  readonly selected: ReadonlySet<number>;
  readonly onSelect: (selected: ReadonlySet<number>) => void;
  readonly onOpen: (row: number) => void;
  /** Words below a picture, beside its answer. */
  readonly note?: (row: number) => string;
  readonly label: string;
}

/** Pixels of a cell, with its caption; of narrow screens as wide as three fit. */
const [WIDE, CAPTION] = [116, 20];
/** Milliseconds without scrolling until pictures are fetched that came into sight. */
const SETTLE = 60;

export function Grid({ studio, rows, selected, onSelect, onOpen, note, label }: GridProps) {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 600, height: 400 });
  const [top, setTop] = useState(0);
  const [settledTop, setSettledTop] = useState(0);
  const [focus, setFocus] = useState(0);
  const [anchor, setAnchor] = useState(0);
  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => setSettledTop(top), SETTLE);
    return () => clearTimeout(timer);
  }, [top]);
  useEffect(() => {
    if (focus >= rows.length) setFocus(Math.max(0, rows.length - 1));
  }, [rows.length]);

  const columns = Math.max(3, Math.floor(size.width / WIDE));
  const width = Math.floor(size.width / columns);
  const height = width + CAPTION;
  const range = (at: number) =>
    [
      Math.max(0, Math.floor(at / height) - 1) * columns,
      Math.min(rows.length, (Math.ceil((at + size.height) / height) + 1) * columns),
    ] as const;
  const [from, to] = range(top);
  const [loadFrom, loadTo] = range(settledTop);
  const shown = rows.slice(from, to);
  const nameOf = useNames(studio.key, shown);

  const between = (a: number, b: number) => rows.slice(Math.min(a, b), Math.max(a, b) + 1);
  const move = (place: number, extend: boolean) => {
    const at = Math.max(0, Math.min(rows.length - 1, place));
    setFocus(at);
    if (extend) onSelect(new Set(between(anchor, at)));
    else setAnchor(at);
    const [y, element] = [Math.floor(at / columns) * height, box.current!];
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + height > element.scrollTop + size.height) element.scrollTop = y + height - size.height;
  };
  const toggle = (place: number) => {
    const row = rows[place];
    if (row === undefined) return; // of an empty list
    const next = new Set(selected);
    if (!next.delete(row)) next.add(row);
    onSelect(next);
  };
  const onKey = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(size.height / height)) * columns;
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
      PageDown: page,
      PageUp: -page,
      Home: -rows.length,
      End: rows.length,
    };
    const step = steps[event.key];
    if (step !== undefined) move(focus + step, event.shiftKey);
    else if (event.key === " ") toggle(focus);
    else if (event.key === "Enter" && rows[focus] !== undefined) onOpen(rows[focus]!);
    else if (event.key === "Escape") onSelect(new Set());
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) onSelect(new Set(rows));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const placeOf = (event: MouseEvent): number | undefined => {
    const cell = (event.target as Element).closest<HTMLElement>("[data-place]");
    return cell ? Number(cell.dataset.place) : undefined;
  };
  const onClick = (event: MouseEvent) => {
    const place = placeOf(event);
    if (place === undefined) return;
    box.current!.focus({ preventScroll: true });
    if (event.shiftKey) onSelect(new Set([...selected, ...between(anchor, place)]));
    else toggle(place);
    setFocus(place);
    if (!event.shiftKey) setAnchor(place);
  };
  return (
    <div
      ref={box}
      class="grid"
      role="listbox"
      aria-multiselectable="true"
      aria-label={label}
      aria-activedescendant={rows.length > 0 ? `cell-${focus}` : undefined}
      tabIndex={0}
      onKeyDown={onKey}
      onClick={onClick}
      onDblClick={(event) => {
        const row = rows[placeOf(event) ?? -1];
        if (row !== undefined) onOpen(row);
      }}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <div class="sheet" style={{ height: `${Math.ceil(rows.length / columns) * height}px` }}>
        {shown.map((row, i) => {
          const place = from + i;
          const code = studio.codes[row]!;
          const words = wordsOf(studio, code);
          const loads = place >= loadFrom && place < loadTo;
          return (
            <div
              key={row}
              id={`cell-${place}`}
              role="option"
              aria-selected={selected.has(row)}
              aria-setsize={rows.length}
              aria-posinset={place + 1}
              aria-label={[nameOf(row) || `picture ${row + 1}`, words, note?.(row)].filter(Boolean).join(", ")}
              class={`cell${place === focus ? " focus" : ""}`}
              style={{
                width: `${width}px`,
                height: `${height}px`,
                transform: `translate(${(place % columns) * width}px, ${Math.floor(place / columns) * height}px)`,
              }}
              data-place={place}
              tabIndex={-1}
            >
              <span class="frame" style={{ borderColor: code >= 0 ? classColor(code) : "transparent" }}>
                {loads ? <Thumbnail src={thumbnail(studio.key, row)} /> : null}
              </span>
              <span class="caption" title={nameOf(row)}>
                {note?.(row) || words || nameOf(row)}
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Thumbnail({ src }: { readonly src: string }) {
  const [broken, setBroken] = useState(false);
  return broken ? (
    <span class="bad">damaged</span>
  ) : (
    <img src={src} alt="" draggable={false} onError={() => setBroken(true)} />
  );
}

function wordsOf({ classes }: Studio, code: number): string {
  if (code >= 0) return classes[code] ?? "";
  return code === -2 ? "skipped" : code === -3 ? "none of these" : "";
}
