/** Label files: which image of a data set each row means, and which class. How they are written down: `label-rows.ts`. */
import { DataError } from "../errors.js";
import { classReader, shown } from "./class-names.js";
import { type LabelRow, type LabelTable, parseRows } from "./label-rows.js";

export interface GivenLabels {
  /** Positions in the training set, ascending, each once. */
  readonly index: Int32Array;
  /** Class of each. */
  readonly y: Int32Array;
  /** Rows about images that are not trained on (held out for testing, damaged): passed over. */
  readonly leftOut?: number;
  /** What the user should know about how the file was read. */
  readonly remarks?: readonly string[];
}

/** Where an image called so is: its position; held out or damaged; labeled already, where the row is a model's guess; nowhere. */
export type Found = number | "left out" | "labeled" | undefined;

/** What a label file is read for: training images, their names and classes. A `DataSet` is one. */
export interface LabelTarget {
  readonly classes: readonly string[];
  readonly train: { readonly count: number };
  /** Name of an image as label files call it, where images have such names. */
  nameOf?(index: number): string;
  /** See `DataSet.locate`. */
  locate?(name: string, pseudo?: boolean): Found;
}

/**
 * Reads a label file (its text, or its table) for `data`. An image is named as `data.nameOf` does, or by its position in the training set;
 * a class as `classReader` says. Throws DataError with `file:line` on an unknown image or class, and where one image gets two different
 * labels. Labels in the file count, whatever the data set itself says; but a model's guesses never overrule a label.
 */
export function parseLabelFile(text: string | LabelTable, data: LabelTarget, file: string): GivenLabels {
  const { rows, pseudo, remarks } = typeof text === "string" ? parseRows(text, file, data.classes) : text;
  const find = imageFinder(data);
  const classOf = classReader(data.classes);
  const given = new Map<number, { y: number; line: number }>();
  let [leftOut, labeled] = [0, 0];
  for (const row of rows) {
    const { line, name, label } = row;
    const where = `${file}:${line}`;
    const index = find(name, pseudo);
    if (index === "left out") leftOut++;
    else if (index === "labeled") labeled++;
    else if (index === undefined) throw new DataError(`${where}: ${unknownImage(row, data)}`);
    else {
      const y = classOf(label, where);
      const before = given.get(index);
      if (before && before.y !== y) {
        const [old, now] = [data.classes[before.y], data.classes[y]];
        throw new DataError(
          `${where}: image "${shown(name)}" is labeled "${now}" here and "${old}" on line ${before.line}`,
        );
      }
      if (!before) given.set(index, { y, line });
    }
  }
  if (given.size === 0) throw new DataError(`${file}: ${nothingLeft(leftOut, labeled)}`);
  const index = Int32Array.from(given.keys()).sort();
  const passed =
    labeled > 0 ? [`${labeled} rows of ${file} are a model's guesses about labeled pictures: their labels stay`] : [];
  return {
    index,
    y: index.map((i) => given.get(i)!.y),
    remarks: [...remarks, ...passed],
    ...(leftOut > 0 ? { leftOut } : {}),
  };
}

function unknownImage({ name }: LabelRow, { train, nameOf, locate }: LabelTarget): string {
  const examples = [
    ...(nameOf && train.count > 0 ? [`names such as "${nameOf(0)}"`] : []),
    ...(locate ? [] : [`positions 0..${train.count - 1}`]),
  ];
  return `no training image is called "${shown(name)}". Expected ${examples.join(" or ")}`;
}

function nothingLeft(leftOut: number, labeled: number): string {
  const why = [
    ...(leftOut > 0 ? [`${leftOut} of the images it names are held out for testing or damaged`] : []),
    ...(labeled > 0
      ? [
          `${labeled} of its rows are a model's guesses (it has a column "confidence") about pictures that have a label. Was it made from another folder? Give that to --unlabeled`,
        ]
      : []),
  ];
  return `it leaves no image to train on: ${why.join(", and ")}`;
}

/** Positions count only where no image could be meant by a number. */
function imageFinder({ train, nameOf, locate }: LabelTarget): (name: string, pseudo: boolean) => Found {
  if (locate) return locate;
  const byName = new Map<string, number>();
  if (nameOf) for (let i = 0; i < train.count; i++) byName.set(nameOf(i), i);
  return (name) => {
    const position = byName.get(name);
    if (position !== undefined) return position;
    return /^\d{1,10}$/.test(name) && Number(name) < train.count ? Number(name) : undefined;
  };
}
