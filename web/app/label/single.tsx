/** One picture after the other, those first whose label helps most; a key a picture. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Actions, nextRows } from "./actions.js";
import { untold } from "./chosen-of.js";
import { ClassBar } from "./class-bar.js";
import { large, useNames } from "./pictures.js";
import { type Answers, useKeys } from "./use-keys.js";
import type { Counts, Studio } from "./use-studio.js";

export interface ViewProps {
  readonly studio: Studio;
  readonly counts: Counts;
  readonly actions: Actions;
}

/** Fetched at a time, and with fewer than that left more are fetched. */
const [AHEAD, LOW] = [10, 5];
/** Milliseconds between two questions where there was nothing to ask. */
const RETRY = 5000;
/** Pictures whose files are fetched before they are shown. */
const PRELOAD = 3;

const reasons = {
  random: "Until the pictures are read they come at random.",
  typical: "Pictures that stand for many others come first.",
  uncertain: "Pictures that the labels so far say least about come first.",
};

/** `only`: a picture that was asked for; it comes first. */
export function Single({ studio, counts, actions, only }: ViewProps & { readonly only: number | undefined }) {
  const [queue, setQueue] = useState<readonly number[]>(only === undefined ? [] : [only]);
  const [pinned, setPinned] = useState(only);
  const [answered, setAnswered] = useState<ReadonlySet<number>>(new Set());
  const [problem, setProblem] = useState("");
  const [asked, setAsked] = useState(0);
  const [turn, setTurn] = useState(0);
  const asking = useRef(false);
  const isOpen = (row: number) => row === pinned || (studio.codes[row] === -1 && !answered.has(row));
  const open = queue.filter(isOpen);
  const current = open[0];
  const nameOf = useNames(studio.key, open);

  useEffect(() => {
    if (asking.current || open.length >= LOW) return;
    asking.current = true;
    nextRows(AHEAD)
      .then(
        (rows) => {
          setProblem("");
          setQueue((before) => [...new Set([...before, ...rows])]);
        },
        (error: Error) => setProblem(error.message),
      )
      .finally(() => {
        asking.current = false;
        // Where fewer are left than are wanted, ask again when something has changed.
        setAsked((n) => n + 1);
      });
  }, [open.length, studio.background.by, studio.connected, open.length === 0 ? `${counts.open} ${turn}` : ""]);
  useEffect(() => {
    setAnswered((before) => untold(before, studio.codes));
    // Where somebody opens it again the server hands it out anew: not under the hand of whoever labels here.
    setQueue((before) => before.filter((row) => row === pinned || studio.codes[row] === -1));
  }, [studio.codes]);
  // Pictures that another page was asked about come back after a while.
  useEffect(() => {
    if (open.length > 0 || counts.open === 0) return;
    const timer = setInterval(() => setTurn((n) => n + 1), RETRY);
    return () => clearInterval(timer);
  }, [open.length > 0, counts.open === 0]);

  const done = (row: number) => {
    setAnswered((before) => new Set(before).add(row));
    if (row === pinned) setPinned(undefined);
  };
  const reopen = (rows: readonly number[]) =>
    setAnswered((before) => new Set([...before].filter((one) => !rows.includes(one))));
  const back = (rows: readonly number[]) => {
    const row = rows[0];
    if (row === undefined) return;
    reopen(rows);
    setPinned(row);
    setQueue((before) => [row, ...before.filter((one) => one !== row)]);
  };
  /** The next picture comes at once; where the answer is refused this one comes back. */
  const answer = (send: (rows: readonly number[]) => Promise<boolean>) => {
    if (current === undefined) return;
    const row = current;
    done(row);
    void send([row]).then((sent) => !sent && back([row]));
  };
  /** A picture without an answer is one to ask about: it stays. */
  const clear = () => {
    if (current === undefined) return;
    const row = current;
    void actions.mark([row], "clear").then((sent) => sent && reopen([row]));
  };
  const answers: Answers = {
    onClass: (name) => answer((rows) => actions.label(rows, name)),
    onMark: (kind) => (kind === "clear" ? clear() : answer((rows) => actions.mark(rows, kind))),
    onUndo: () => void actions.undo().then(back),
    onRedo: () => void actions.redo().then((rows) => rows.length > 0 && setPinned(undefined)),
  };
  useKeys(studio.classes, answers, true);
  useEffect(() => {
    for (const row of open.slice(1, 1 + PRELOAD)) new Image().src = large(studio.key, row);
  }, [current]);

  const code = current === undefined ? -1 : studio.codes[current]!;
  const said = code >= 0 ? studio.classes[code] : code === -2 ? "skipped" : code === -3 ? "none of these" : undefined;
  return (
    <section class="single" aria-label="One picture">
      <ClassBar studio={studio} counts={counts} actions={actions} disabled={current === undefined} {...answers} />
      {studio.classes.length < 2 && (
        <p class="warning">Name the classes first: a word, then Enter. Their keys are 1, 2, 3 ...</p>
      )}
      {current !== undefined ? (
        <figure>
          <Picture key={current} src={large(studio.key, current)} name={nameOf(current)} />
          <figcaption>
            <span class="file">{nameOf(current)}</span>
            {said !== undefined && <span class="soft"> (so far: {said})</span>}
          </figcaption>
        </figure>
      ) : (
        <p role="status">
          {problem ||
            (counts.open === 0
              ? "Every picture has an answer."
              : asked > 0
                ? "Nothing to ask just now."
                : "Asking ...")}
        </p>
      )}
      <p class="soft">
        {reasons[studio.background.by]}
        {studio.testShare > 0 &&
          ` ${Math.round(100 * studio.testShare)} % are drawn at random and only test the models.`}
      </p>
    </section>
  );
}

function Picture({ src, name }: { readonly src: string; readonly name: string }) {
  const [broken, setBroken] = useState(false);
  if (broken)
    return <p class="broken bad">This file cannot be shown: it is damaged, too large, or no picture. Skip it.</p>;
  return <img class="large" src={src} alt={name === "" ? "picture" : name} onError={() => setBroken(true)} />;
}
