/** Folders of picture files out of the pictures of data sets, for the scripts that try what people do with their own. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { encodeImage, findDataSet, Rng } from "fewlabels/internal";
import sharp from "sharp";

/** @param {"cifar10" | "mnist"} name @param {string} dir */
export const openSet = (name, dir) =>
  findDataSet(name).load({ dir, rng: Rng.fromSeed(1), options: { train: name === "cifar10" ? 50_000 : 60_000 } });

/** @typedef {Awaited<ReturnType<typeof openSet>>} Set */
/** A class of a set, and what its folder is called. @typedef {{ set: Set, name: string, folder: string }} Class */
/** How many of each class; `skip`: test pictures of each that are passed over. @typedef {{ side: number, classes: Class[], labeled: number[], unlabeled: number[], test: number[], skip?: number }} Plan */

/** All pictures of one class and part, in an order of `rng`. @param {Class} kind @param {"train" | "test"} part @param {Rng} rng */
function rowsOf({ set, name }, part, rng) {
  const label = set.classes.indexOf(name);
  const { labels } = set[part];
  const rows = [...labels.keys()].filter((i) => labels[i] === label);
  return Array.from(rng.permutation(rows.length), (i) => rows[i] ?? 0);
}

/** An image of a set as a PNG file. @param {import("fewlabels").ImageSet} set @param {number} row @returns {Promise<Uint8Array>} */
export function pngOf({ pixels, channels, height, width }, row) {
  const length = channels * height * width;
  return encodeImage(
    Uint8Array.from(pixels.subarray(row * length, (row + 1) * length)),
    { channels: /** @type {1 | 3} */ (channels), height, width },
    "png",
  );
}

/** A JPEG file of `side` pixels. @param {Class} kind @param {"train" | "test"} part @param {number} row @param {number} side @param {string} path */
async function save({ set }, part, row, side, path) {
  const picture = sharp(await pngOf(set[part], row)).toColourspace("srgb");
  await (side === set[part].width ? picture : picture.resize(side, side)).jpeg({ quality: 95 }).toFile(path);
}

/**
 * `folder` with train/CLASS, test/CLASS and a mixed unlabeled/; training pictures are drawn by `rng`, test pictures are always the same.
 * A folder that is there is left as it is. @param {string} folder @param {Plan} plan @param {Rng} rng
 */
export async function makeFolder(folder, { side, classes, labeled, unlabeled, test, skip = 0 }, rng) {
  if (existsSync(folder)) return folder;
  mkdirSync(join(folder, "unlabeled"), { recursive: true });
  /** @type {[Class, number][]} */
  const pool = [];
  for (const [i, kind] of classes.entries()) {
    const [few = 0, many = 0] = [labeled[i], unlabeled[i]];
    const train = rowsOf(kind, "train", rng);
    const held = rowsOf(kind, "test", Rng.fromSeed(0)).slice(skip, skip + (test[i] ?? 0));
    for (const [part, rows] of /** @type {["train" | "test", number[]][]} */ ([
      ["train", train.slice(0, few)],
      ["test", held],
    ])) {
      mkdirSync(join(folder, part, kind.folder), { recursive: true });
      for (const row of rows) await save(kind, part, row, side, join(folder, part, kind.folder, `${row}.jpg`));
    }
    pool.push(...train.slice(few, few + many).map((row) => /** @type {[Class, number]} */ ([kind, row])));
  }
  for (const [at, i] of rng.permutation(pool.length).entries()) {
    const [kind, row] = pool[i] ?? [];
    if (kind && row !== undefined) await save(kind, "train", row, side, join(folder, "unlabeled", `${at}.jpg`));
  }
  return folder;
}
