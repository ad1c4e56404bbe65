/** Records what a run makes of some of its unlabeled images, for people to look at: see `run/seen.ts`. Nothing here changes the run. */
import { evaluationSet } from "../../batches/evaluation-set.js";
import { holdRows } from "../../batches/store.js";
import { DiskError } from "../../errors.js";
import { pngOf } from "../../files/writers/png.js";
import type { Picture } from "../../images/contact-sheet.js";
import { Rng } from "../../rng.js";
import type { Belief, SeenPictures, SeenStep, Sheet } from "../../run/seen.js";
import { dropSeenAfter, readSeenPictures, writeSeenSheet, writeSeenStep } from "../../run/seen.js";
import { noGrad, scope } from "../../torch/index.js";
import type { PreparedData } from "../data.js";
import type { Session } from "../session.js";
import { originals, viewPictures } from "./preview.js";

/** Classes of a belief for each image, and classes above which confusion matrices are not kept. */
const [TOP, MOST_CLASSES] = [3, 100];
/** Longer sides of pictures are made smaller. */
const MOST_PIXELS = 64;
/** Images of views.png, draws of each view, and pictures held in memory at a time. */
const [VIEW_ROWS, DRAWS, CHUNK] = [8, 2, 100];

type Confusions = Readonly<Record<string, { readonly confusion: readonly (readonly number[])[] }>>;

export interface SeenRecorder {
  /** What every model thinks now, and its confusion on `split`. Never throws where the disk is full: the run's own files will tell. */
  record(step: number, split: SeenStep["split"], evaluations: Confusions): Promise<void>;
}

/** The images a run with this seed looks at: drawn among those it has no label of, `count` at the most, ascending. */
export function seenRows({ split }: Pick<PreparedData, "split">, seed: number, count: number): Int32Array {
  const unlabeled = split.unlabeled.filter((row) => split.y[row]! < 0);
  const drawn = Rng.fromSeed(seed).split("seen").shuffle(unlabeled.slice());
  return drawn.subarray(0, count).sort();
}

/**
 * Writes the pictures and views of a run into its folder, after dropping what was recorded after `startStep`, and all of it where other pictures were
 * looked at then. Undefined where nothing is to be
 * recorded: `--seen 0`, no unlabeled images in memory or files (those in shards are read once, in order), a disk that is full.
 */
export async function openSeen(session: Session, folder: string, startStep: number): Promise<SeenRecorder | undefined> {
  const { config, data, method, hardware } = session;
  const rows = config.seen > 0 ? seenRows(data, config.seed, config.seen) : new Int32Array(0);
  try {
    dropSeenAfter(folder, startStep);
    if (rows.length === 0) return undefined;
    if (!sameRows(folder, rows)) dropSeenAfter(folder, 0);
    await writeSheets(session, folder, rows);
  } catch (error) {
    if (error instanceof DiskError) return undefined;
    throw error;
  }
  let full = false;
  return {
    async record(step, split, evaluations) {
      if (full) return;
      const beliefs: Record<string, Belief> = {};
      for (const [role, model] of Object.entries(method.models)) {
        const images = evaluationSet(data.train, data.trainLabels, {
          rows,
          batch: config.testBatch,
          device: hardware.device,
        });
        const all: Belief[] = [];
        try {
          for (let k = 0; k < images.batches; k++) {
            await images.prepare(k);
            const probabilities = noGrad(() =>
              scope(() => model.forward(images.batch(k).x, "eval").softmax(1).toNumbers()),
            );
            all.push(likeliest(probabilities, data.classes.length));
          }
        } finally {
          images.close();
        }
        beliefs[role] = {
          classes: all.flatMap(({ classes }) => classes),
          probabilities: all.flatMap(({ probabilities }) => probabilities),
        };
      }
      const confusion = Object.fromEntries(Object.entries(evaluations).map(([role, one]) => [role, one.confusion]));
      const kept = data.classes.length <= MOST_CLASSES ? { confusion } : {};
      try {
        writeSeenStep(folder, { step, top: topOf(data.classes.length), beliefs, split, ...kept });
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        full = true;
      }
    },
  };
}

/** Whether the steps recorded in the folder are of these images. */
function sameRows(folder: string, rows: Int32Array): boolean {
  try {
    const { index } = readSeenPictures(folder);
    return index.length === rows.length && index.every((row, i) => row === rows[i]);
  } catch {
    return false; // not there, or damaged
  }
}

const topOf = (classes: number) => Math.min(TOP, classes);

/** `probabilities`: `[N, K]`. */
export function likeliest(probabilities: ArrayLike<number>, classes: number): Belief {
  const top = topOf(classes);
  const out: { classes: number[]; probabilities: number[] } = { classes: [], probabilities: [] };
  for (let at = 0; at < probabilities.length; at += classes) {
    const order = Array.from({ length: classes }, (_, k) => k).sort(
      (a, b) => probabilities[at + b]! - probabilities[at + a]!,
    );
    for (const k of order.slice(0, top)) {
      out.classes.push(k);
      out.probabilities.push(Number(probabilities[at + k]!.toFixed(3)));
    }
  }
  return out;
}

async function writeSheets({ config, data, method, views }: Session, folder: string, rows: Int32Array): Promise<void> {
  const { train, trainLabels, split, classes } = data;
  const [channels, height, width] = [train.images.size(1), train.images.size(2), train.images.size(3)];
  const areSeen = (channels === 1 || channels === 3) && height * width > 1;
  const pictures: Picture[] = [];
  for (let at = 0; areSeen && at < rows.length; at += CHUNK) {
    const some = rows.slice(at, at + CHUNK);
    const hold = await holdRows(train, some, "the record of what is seen");
    pictures.push(...originals(data, some).map(smaller));
    hold.release();
  }
  const sheet = areSeen ? sheetOf(pictures, Math.ceil(Math.sqrt(pictures.length))) : undefined;
  const counts = classes.map((_, k) => split.labeled.reduce((n, row) => n + Number(split.y[row] === k), 0));
  const facts: SeenPictures = {
    classes,
    index: [...rows],
    truth: [...rows].map((row) => trainLabels[row] ?? -1),
    prior: counts.map((n) => n / Math.max(1, split.labeled.length)),
    predictor: method.predictor,
    ...(sheet && { sheet: sheet.layout }),
  };
  writeSeenSheet(folder, { pictures: facts }, sheet?.png);
  if (!areSeen) return;
  const few = rows.slice(0, VIEW_ROWS);
  const hold = await holdRows(train, few, "the record of what is seen");
  const strong = Object.values(views).some((part) => Object.values(part).some(({ augment }) => augment === "strong"));
  const made = viewPictures(data, few, { draws: DRAWS, strong, rng: Rng.fromSeed(config.seed).split("seen") });
  const columns = { original: originals(data, few), ...made };
  hold.release();
  const cells = [...few].flatMap((_, i) => Object.values(columns).map((column) => smaller(column[i]!)));
  const { layout, png } = sheetOf(cells, Object.keys(columns).length);
  writeSeenSheet(folder, { views: { columns: Object.keys(columns), index: [...few], sheet: layout } }, png);
}

/** Whole factors only: means of squares of pixels. */
function smaller(picture: Picture): Picture {
  const factor = Math.ceil(Math.max(picture.width, picture.height) / MOST_PIXELS);
  if (factor === 1) return picture;
  const [width, height] = [Math.floor(picture.width / factor), Math.floor(picture.height / factor)];
  const rgb = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let dy = 0; dy < factor; dy++) {
          for (let dx = 0; dx < factor; dx++) {
            sum += picture.rgb[3 * ((y * factor + dy) * picture.width + x * factor + dx) + c]!;
          }
        }
        rgb[3 * (y * width + x) + c] = Math.round(sum / factor ** 2);
      }
    }
  }
  return { width, height, rgb };
}

/** Views may be smaller than the originals (a crop): each cell has room for the largest, its picture in the upper left corner. */
function sheetOf(pictures: readonly Picture[], columns: number): { readonly layout: Sheet; readonly png: Uint8Array } {
  const [width, height] = [
    Math.max(...pictures.map((one) => one.width)),
    Math.max(...pictures.map((one) => one.height)),
  ];
  const lines = Math.ceil(pictures.length / columns);
  const whole = 3 * columns * width;
  const rgb = new Uint8Array(whole * lines * height);
  pictures.forEach((picture, i) => {
    const [left, top] = [3 * (i % columns) * width, Math.floor(i / columns) * height];
    for (let y = 0; y < picture.height; y++) {
      const row = picture.rgb.subarray(3 * y * picture.width, 3 * (y + 1) * picture.width);
      rgb.set(row, (top + y) * whole + left);
    }
  });
  return { layout: { columns, width, height }, png: pngOf(rgb, columns * width, lines * height) };
}
