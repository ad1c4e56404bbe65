/** A map on which pictures that are alike lie near each other: a lasso around some chooses them. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { FeatureMap } from "../../../src/web/label/api.js";
import { linkTo } from "../shared/hash.js";
import { getJson } from "../shared/server.js";
import { useDark } from "../shared/use-dark.js";
import { ClassBar } from "./class-bar.js";
import { Grid } from "./grid.js";
import { drawMap, inside, type Point, type View } from "./map-canvas.js";
import type { ViewProps } from "./single.js";
import { useChosen } from "./use-chosen.js";

const WHOLE: View = { x: 0, y: 0, zoom: 1 };

export function MapView({ studio, counts, actions }: ViewProps) {
  const [map, setMap] = useState<FeatureMap>();
  const [problem, setProblem] = useState("");
  const { selected, setSelected, answers } = useChosen({ studio, actions });
  const ready = studio.background.map;
  useEffect(() => {
    if (!ready) return;
    getJson<FeatureMap>("/api/map").then(setMap, (error: Error) => setProblem(error.message));
  }, [ready, studio.key]);
  const { reading, problem: trouble } = studio.background;
  if (!map) {
    const words = reading
      ? `Reading the pictures: ${reading.done} of ${reading.total}.`
      : problem || trouble || "Reading ...";
    return <p role="status">{words}</p>;
  }
  return (
    <section class="many" aria-label="Map">
      <ClassBar
        studio={studio}
        counts={counts}
        actions={actions}
        disabled={selected.size === 0}
        {...answers}
        canClear
      />
      <div class="map-and-grid">
        <Canvas studio={studio} map={map} selected={selected} onSelect={setSelected} />
        <div class="chosen">
          <p role="status" class="soft">
            {selected.size === 0
              ? "Draw a line around some pictures."
              : `${selected.size} chosen; click to leave one out.`}
          </p>
          <Grid
            studio={studio}
            rows={[...selected]}
            selected={selected}
            onSelect={setSelected}
            onOpen={(row) => (location.hash = linkTo("label", { row: String(row) }))}
            label="Chosen pictures"
          />
        </div>
      </div>
    </section>
  );
}

interface CanvasProps {
  readonly studio: ViewProps["studio"];
  readonly map: FeatureMap;
  readonly selected: ReadonlySet<number>;
  readonly onSelect: (rows: ReadonlySet<number>) => void;
}

function Canvas({ studio, map, selected, onSelect }: CanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState(500);
  const [view, setView] = useState(WHOLE);
  const [line, setLine] = useState<readonly Point[]>([]);
  const [cursor, setCursor] = useState<Point>();
  const [loaded, setLoaded] = useState(0);
  const dark = useDark();
  const pictures = useMemo(() => new Map<number, HTMLImageElement>(), [studio.key]);
  useEffect(() => {
    const around = canvas.current!.parentElement!;
    const measure = () => setSize(Math.max(200, Math.floor(around.clientWidth)));
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(around);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const again = () => setLoaded((n) => n + 1);
    drawMap(canvas.current!, { studio, map, selected, view, line, cursor, size, dark, pictures, again });
  }, [studio.codes, studio.classes, map, selected, view, line, cursor, size, dark, loaded]);

  const place = (event: PointerEvent): Point => {
    const box = canvas.current!.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const choose = (within: (point: Point) => boolean, more: boolean) => {
    const next = new Set(more ? selected : []);
    for (const [i, row] of map.rows.entries()) {
      const [x, y] = [map.places[2 * i]!, map.places[2 * i + 1]!];
      if (within([(x - view.x) * view.zoom, (y - view.y) * view.zoom])) next.add(row);
    }
    onSelect(next);
  };
  const zoom = (factor: number, [x, y]: Point = [0.5, 0.5]) =>
    setView((now) => {
      const next = Math.max(1, Math.min(40, now.zoom * factor));
      const keep = (from: number, at: number) => Math.max(0, Math.min(1 - 1 / next, from + at / now.zoom - at / next));
      return { x: keep(now.x, x), y: keep(now.y, y), zoom: next };
    });
  const onKey = (event: KeyboardEvent) => {
    const [x, y] = cursor ?? [0.5, 0.5];
    const step = 0.03;
    const moves: Readonly<Record<string, Point>> = {
      ArrowLeft: [x - step, y],
      ArrowRight: [x + step, y],
      ArrowUp: [x, y - step],
      ArrowDown: [x, y + step],
    };
    const next = moves[event.key];
    if (next) setCursor([Math.max(0, Math.min(1, next[0])), Math.max(0, Math.min(1, next[1]))]);
    else if (event.key === "Enter" && cursor) choose(([a, b]) => Math.hypot(a - x, b - y) < CURSOR, event.shiftKey);
    else if (event.key === "+") zoom(1.5, cursor);
    else if (event.key === "-") zoom(1 / 1.5, cursor);
    else if (event.key === "Escape") onSelect(new Set());
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="map">
      <canvas
        ref={canvas}
        tabIndex={0}
        aria-label={`Map of ${map.rows.length} pictures, ${selected.size} chosen. Arrows move a circle, Enter chooses what is in it, plus and minus zoom.`}
        width={size}
        height={size}
        onKeyDown={onKey}
        onWheel={(event) => {
          event.preventDefault();
          zoom(event.deltaY < 0 ? 1.25 : 0.8, place(event as unknown as PointerEvent));
        }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setLine([place(event)]);
        }}
        onPointerMove={(event) => line.length > 0 && setLine([...line, place(event)])}
        onPointerUp={(event) => {
          if (line.length > 2) choose((point) => inside(point, line), event.shiftKey);
          setLine([]);
        }}
        onPointerCancel={() => setLine([])}
      />
      <div class="tools">
        <button type="button" onClick={() => zoom(1.5)} aria-label="Closer">
          +
        </button>
        <button type="button" onClick={() => zoom(1 / 1.5)} aria-label="Farther">
          −
        </button>
        <button type="button" onClick={() => setView(WHOLE)}>
          all
        </button>
      </div>
    </div>
  );
}

/** Radius of the keyboard's circle. */
const CURSOR = 0.06;
