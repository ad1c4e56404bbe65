/** EMNIST's six divisions: the layout of MNIST with names of their own, up to 62 classes, and pictures lying on their side. */
import { basename } from "node:path";
import { DataError } from "../errors.js";
import type { ImageSet } from "../images/image-set.js";

const digits = [..."0123456789"];
const upper = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
/** Small letters that do not look like their capitals. */
const merged = [...digits, ...upper, ..."abdefghnqrt"];

interface Division {
  readonly classes: readonly string[];
  /** Label of the first class. */
  readonly first: number;
}

const divisions: Readonly<Record<string, Division>> = {
  mnist: { classes: digits, first: 0 },
  digits: { classes: digits, first: 0 },
  letters: { classes: upper, first: 1 },
  balanced: { classes: merged, first: 0 },
  bymerge: { classes: merged, first: 0 },
  byclass: { classes: [...digits, ...upper, ..."abcdefghijklmnopqrstuvwxyz"], first: 0 },
};

/** The division whose files lie among `names`, if any do: `emnist-letters-train-images-idx3-ubyte.gz`. Throws DataError on several. */
export function emnistDivision(
  names: readonly string[],
  folder: string,
): (Division & { readonly prefix: string }) | undefined {
  const found = new Set(names.flatMap((name) => /^emnist-([a-z]+)-train-images/.exec(basename(name))?.[1] ?? []));
  const [name] = found;
  if (name === undefined) return undefined;
  const division = divisions[name];
  if (found.size > 1 || !division) {
    throw new DataError(
      `mnist: ${folder} holds EMNIST's divisions ${[...found].sort().join(", ")}; put the four files of one of ${Object.keys(divisions).join(", ")} into a folder of its own`,
    );
  }
  return { ...division, prefix: `emnist-${name}-` };
}

/** Turns the pictures upright: EMNIST's are written column by column. */
export function upright(set: ImageSet): ImageSet {
  const { count, height, width } = set;
  const pixels = new Uint8Array(set.pixels.length);
  const area = height * width;
  for (let image = 0; image < count; image++) {
    for (let y = 0; y < width; y++) {
      for (let x = 0; x < height; x++)
        pixels[image * area + y * height + x] = set.pixels[image * area + x * width + y]!;
    }
  }
  return { ...set, pixels, height: width, width: height };
}
