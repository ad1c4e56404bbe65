/** Many pictures at once: which of them, and an answer for all that are chosen. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Doubts, GuessList } from "../../../src/web/label/api.js";
import { linkTo } from "../shared/hash.js";
import { getJson } from "../shared/server.js";
import { nextRows } from "./actions.js";
import { ClassBar } from "./class-bar.js";
import { Grid } from "./grid.js";
import type { ViewProps } from "./single.js";
import { useChosen } from "./use-chosen.js";

/** What is shown: "all", "open", "skipped", "none", "class:NAME", "next", "guess:NAME" or "doubts". */
export function GridView({ studio, counts, actions, show }: ViewProps & { readonly show: string }) {
  const [least, setLeast] = useState(0.9);
  const { list, note, suggestion, problem } = useList(studio, show, least);
  const { selected, setSelected, chosen, act, answers } = useChosen({ studio, actions, list });
  useEffect(() => setSelected(new Set()), [show]);

  const guessed = show.startsWith("guess:") ? show.slice(6) : undefined;
  const { training } = studio.background;
  return (
    <section class="many" aria-label="Many pictures">
      <div class="bar">
        <label>
          Show
          <select
            value={show}
            onChange={(event) => (location.hash = linkTo("grid", { show: event.currentTarget.value }))}
          >
            <option value="all">all {studio.count}</option>
            <option value="open">without an answer ({counts.open})</option>
            <option value="next">to ask next</option>
            <optgroup label="labeled">
              {studio.classes.map((name, k) => (
                <option key={name} value={`class:${name}`}>
                  {name} ({counts.byClass[k]})
                </option>
              ))}
            </optgroup>
            <option value="none">in none of the classes ({counts.none})</option>
            <option value="skipped">skipped ({counts.skipped})</option>
            {training?.guesses !== undefined && (
              <optgroup label="the model says">
                {studio.classes.map((name) => (
                  <option key={name} value={`guess:${name}`}>
                    {name}?
                  </option>
                ))}
              </optgroup>
            )}
            {training?.guesses !== undefined && (
              <option value="doubts">labels to look at again ({training.doubts})</option>
            )}
          </select>
        </label>
        {guessed !== undefined && (
          <label>
            sure from
            <input
              type="range"
              min="0"
              max="1"
              step="0.01"
              value={least}
              onInput={(event) => setLeast(Number(event.currentTarget.value))}
            />
            <output>{least.toFixed(2)}</output>
          </label>
        )}
        <button type="button" onClick={() => setSelected(new Set(list))} disabled={list.length === 0}>
          choose all {list.length}
        </button>
        <button type="button" onClick={() => setSelected(new Set())} disabled={chosen.length === 0}>
          choose none
        </button>
        {guessed !== undefined && (
          <button type="button" disabled={chosen.length === 0} onClick={() => answers.onClass(guessed)}>
            confirm {chosen.length} as {guessed}
          </button>
        )}
        {suggestion && (
          <button
            type="button"
            disabled={chosen.length === 0}
            onClick={() =>
              act(async (rows) => {
                let done = true;
                for (const name of new Set(rows.map(suggestion)))
                  if (name !== undefined)
                    done =
                      (await actions.label(
                        rows.filter((row) => suggestion(row) === name),
                        name,
                      )) && done;
                return done;
              })
            }
          >
            take the suggestion for {chosen.length}
          </button>
        )}
        <span role="status" class="soft">
          {problem || `${chosen.length} of ${list.length} chosen`}
        </span>
      </div>
      <ClassBar
        studio={studio}
        counts={counts}
        actions={actions}
        disabled={chosen.length === 0}
        {...answers}
        canClear
      />
      <Grid
        studio={studio}
        rows={list}
        selected={selected}
        onSelect={setSelected}
        onOpen={(row) => (location.hash = linkTo("label", { row: String(row) }))}
        {...(note && { note })}
        label="Pictures; arrows move, space chooses, shift and arrows choose a range, a class key labels"
      />
    </section>
  );
}

interface List {
  readonly list: readonly number[];
  readonly note?: (row: number) => string;
  readonly suggestion?: (row: number) => string | undefined;
  readonly problem: string;
}

function useList(studio: ViewProps["studio"], show: string, least: number): List {
  const { codes, classes, background } = studio;
  const run = background.training?.guesses;
  const [kind] = show.split(":", 1);
  const name = show.slice((kind ?? "").length + 1);
  const wanted = kind === "guess" ? "/api/guesses" : kind === "doubts" ? "/api/doubts" : undefined;
  const [fetched, setFetched] = useState<{
    readonly of: string;
    readonly data: GuessList | Doubts | readonly number[];
  }>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let gone = false;
    const work = wanted ? getJson<GuessList | Doubts>(wanted) : kind === "next" ? nextRows(12) : undefined;
    work?.then(
      (data) => {
        if (gone) return;
        setProblem("");
        setFetched({ of: kind ?? "", data });
      },
      (error: Error) => !gone && setProblem(error.message),
    );
    return () => {
      gone = true;
    };
  }, [
    kind,
    wanted,
    kind === "guess" || kind === "doubts" ? run : "",
    kind === "next" ? nothingOpen(fetched?.data, codes) : false,
  ]);
  const data = fetched?.of === kind ? fetched?.data : undefined;
  return useMemo((): List => {
    const where = (keep: (code: number) => boolean) => {
      const list: number[] = [];
      for (let row = 0; row < codes.length; row++) if (keep(codes[row]!)) list.push(row);
      return list;
    };
    if (kind === "guess") {
      if (!data || !("best" in data)) return { list: [], problem };
      const k = data.classes.indexOf(name);
      const sure = new Map<number, number>();
      for (const [i, row] of data.rows.entries())
        if (data.best[i] === k && data.confidence[i]! >= least && codes[row] === -1) sure.set(row, data.confidence[i]!);
      const list = [...sure.keys()].sort((a, b) => sure.get(b)! - sure.get(a)!);
      return { list, note: (row) => `${name} ${sure.get(row)?.toFixed(2) ?? ""}`, problem };
    }
    if (kind === "doubts") {
      if (!data || !("doubts" in data)) return { list: [], problem };
      const by = new Map(data.doubts.map((one) => [one.row, one.suggested]));
      const list = data.doubts.flatMap(({ row, suggested }) =>
        codes[row] === classes.indexOf(suggested) ? [] : [row],
      );
      const now = (row: number) => classes[codes[row]!] ?? "no label";
      return { list, note: (row) => `${now(row)}, or ${by.get(row)}?`, suggestion: (row) => by.get(row), problem };
    }
    if (kind === "next") return { list: Array.isArray(data) ? data : [], problem };
    if (kind === "open") return { list: where((code) => code === -1), problem };
    if (kind === "skipped") return { list: where((code) => code === -2), problem };
    if (kind === "none") return { list: where((code) => code === -3), problem };
    if (kind === "class") {
      const k = classes.indexOf(name);
      return { list: where((code) => k >= 0 && code === k), problem };
    }
    return { list: where(() => true), problem };
  }, [kind, name, kind === "all" ? codes.length : codes, classes, data, least, problem]);
}

/** All that was asked has an answer: time for more. */
function nothingOpen(data: unknown, codes: Int32Array): number {
  return Array.isArray(data) && data.every((row: number) => codes[row] !== -1) ? codes.length + data[0] : -1;
}
