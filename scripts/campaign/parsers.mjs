// Every reader of files from outside, with an undamaged input: what `campaign.mjs mutate` damages.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  catalog,
  decodeImage,
  decodeSafetensors,
  decodeTorchFile,
  encodePixmap,
  findManifest,
  flatten,
  parseCifarRecords,
  parseConfig,
  parseIdx,
  parseLabelFile,
  parseMat5,
  plainNames,
  readCheckpoint,
  readLabelTable,
  resolveConfig,
  TarFile,
  TarWriter,
  unpickle,
  writeCheckpoint,
  writeSafetensors,
} from "fewlabels/internal";

/** @typedef {{ name: string, whole: Uint8Array, parse(bytes: Uint8Array): unknown }} Parser */

/** @param {string} scratch A folder for what can only be read from files. @returns {Promise<Parser[]>} */
export async function parsers(scratch) {
  mkdirSync(scratch, { recursive: true });
  const text = (/** @type {string} */ content) => new TextEncoder().encode(content);
  const at = (/** @type {string} */ name, /** @type {Uint8Array} */ bytes) => {
    const path = join(scratch, name);
    writeFileSync(path, bytes);
    return path;
  };
  const words = (/** @type {Uint8Array} */ bytes) => new TextDecoder().decode(bytes);
  const target = { classes: ["cat", "dog"], train: { count: 4 }, nameOf: (/** @type {number} */ i) => `${i}.png` };
  const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => (i * 37) % 256);
  const decoding = {
    size: 8,
    channels: /** @type {const} */ (3),
    fit: /** @type {const} */ ("crop"),
    maxMegapixels: 1,
  };
  const source = { dtype: /** @type {const} */ ("F32"), shape: [2, 3], bytes: () => new Uint8Array(24).fill(1) };
  writeSafetensors(join(scratch, "whole.safetensors"), { weight: source, bias: source }, { format: "pt" });
  const { readFileSync } = await import("node:fs");
  const state = () => readFileSync(join(scratch, "step-3", "state.json"));
  writeCheckpoint(scratch, 3, { model: { tensors: { weight: source }, values: { seen: 3 } } }, { elapsedSeconds: 1 });
  const tar = join(scratch, "whole.tar");
  const writer = new TarWriter(tar);
  for (const [name, content] of Object.entries({ "a.cls": "1", "a.txt": "x".repeat(700), "b.cls": "0" }))
    writer.add(name, text(content));
  writer.finish();
  const goodState = state();
  const reference = (/** @type {string} */ name) =>
    fileURLToPath(new URL(`../../test/reference/torch-files/${name}`, import.meta.url));
  const sharp = (await import("sharp")).default;
  const raw = () => sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } });
  const encoded = {
    PNG: new Uint8Array(await raw().png().toBuffer()),
    JPEG: new Uint8Array(await raw().jpeg().toBuffer()),
    GIF: new Uint8Array(await raw().gif().toBuffer()),
    TIFF: new Uint8Array(await raw().tiff().toBuffer()),
    WebP: new Uint8Array(await raw().webp().toBuffer()),
  };
  // What a picture's bytes hold is an answer, not an error: told apart here as for the other readers.
  const pictureOf = async (/** @type {Uint8Array} */ bytes) => {
    const decoded = await decodeImage(bytes, decoding);
    if ("reason" in decoded) throw Object.assign(new Error(decoded.reason), { exitCode: 3 });
  };
  const configuration = {
    dataset: "digits",
    labels: 20,
    method: { name: "fixmatch", threshold: 0.9 },
    model: { name: "cnn-13", width: 0.25 },
    steps: 5,
  };
  return [
    {
      name: "labels",
      whole: text('file,label\n0.png,cat\n"1.png",dog\n3.png,1\n'),
      parse: (bytes) => parseLabelFile(readLabelTable(at("labels.csv", bytes)), target, "labels.csv"),
    },
    {
      name: "YAML",
      whole: text(
        "dataset: digits\nmethod: { name: fixmatch, threshold: 0.9 }\nmodel:\n  name: cnn-13\n  width: 0.5 # half\nsteps: 10\n",
      ),
      parse: (bytes) => resolveConfig(parseConfig("run.yaml", words(bytes)).given, catalog),
    },
    {
      name: "configuration",
      whole: text(JSON.stringify(configuration)),
      parse(bytes) {
        let given;
        try {
          given = JSON.parse(words(bytes));
        } catch {
          return undefined; // JSON's own business: a run folder says which file it was
        }
        return typeof given === "object" && given !== null && !Array.isArray(given)
          ? resolveConfig(flatten(given), catalog)
          : undefined;
      },
    },
    {
      name: "idx",
      whole: Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]),
      parse: (bytes) => parseIdx(bytes, 3, "x.idx"),
    },
    { name: "mat", whole: matFile(), parse: (bytes) => parseMat5(bytes, "x.mat") },
    {
      name: "CIFAR",
      whole: new Uint8Array(2 * 3073).fill(3),
      parse: (bytes) =>
        parseCifarRecords([{ content: bytes, file: "x.bin" }], { labelBytes: 1, labelByte: 0, numClasses: 10 }),
    },
    {
      name: "tar",
      whole: readFileSync(tar),
      async parse(bytes) {
        const file = await TarFile.open(at("x.tar", bytes));
        try {
          for (let member = await file.next(); member; member = await file.next());
        } finally {
          await file.close();
        }
      },
    },
    {
      name: "safetensors",
      whole: readFileSync(join(scratch, "whole.safetensors")),
      parse: (bytes) => decodeSafetensors(bytes, "x.safetensors"),
    },
    {
      name: "checkpoint, state.json",
      whole: state(),
      parse(bytes) {
        writeFileSync(join(scratch, "step-3", "state.json"), bytes);
        return readCheckpoint(join(scratch, "step-3"));
      },
    },
    {
      name: "checkpoint, model.safetensors",
      whole: readFileSync(join(scratch, "step-3", "model.safetensors")),
      parse(bytes) {
        writeFileSync(join(scratch, "step-3", "state.json"), goodState);
        writeFileSync(join(scratch, "step-3", "model.safetensors"), bytes);
        return readCheckpoint(join(scratch, "step-3"));
      },
    },
    ...["zip", "stream"].map((form) => ({
      name: `torch file, ${form}`,
      whole: new Uint8Array(readFileSync(reference(`plain.${form}.pth`))),
      parse: (/** @type {Uint8Array} */ bytes) => decodeTorchFile(bytes, "x.pth"),
    })),
    ...[2, 4].map((protocol) => ({
      name: `pickle, protocol ${protocol}`,
      whole: new Uint8Array(readFileSync(reference(`numpy.protocol${protocol}.pkl`))),
      parse: (/** @type {Uint8Array} */ bytes) => unpickle(bytes, { who: "x.pkl", names: plainNames }),
    })),
    {
      name: "manifest of shards",
      whole: text(
        JSON.stringify({ classes: ["cat", "dog"], format: "png", parts: { labeled: { shards: 1, count: 2 } } }),
      ),
      parse(bytes) {
        at("pack.json", bytes);
        return findManifest(join(scratch, "pack-labeled-000000.tar"));
      },
    },
    ...Object.entries({ ...encoded, pixmap: encodePixmap({ width: 8, height: 8, channels: 3, pixels }) }).map(
      ([format, whole]) => ({ name: `picture, ${format}`, whole, parse: pictureOf }),
    ),
  ];
}

/** A level 5 MAT file with one matrix of bytes, 2 x 3, not compressed. */
function matFile() {
  const header = Buffer.alloc(128, " ");
  header.write("MATLAB 5.0 MAT-file");
  header.writeUInt16LE(0x0100, 124);
  header.write("IM", 126);
  const element = (/** @type {number} */ type, /** @type {Buffer} */ data) => {
    const out = Buffer.alloc(8 + Math.ceil(data.length / 8) * 8);
    out.writeUInt32LE(type, 0);
    out.writeUInt32LE(data.length, 4);
    data.copy(out, 8);
    return out;
  };
  const ints = (/** @type {number[]} */ ...list) => Buffer.from(new Int32Array(list).buffer);
  const body = Buffer.concat([
    element(6, Buffer.from(new Uint32Array([9, 0]).buffer)),
    element(5, ints(2, 3)),
    element(1, Buffer.from("X")),
    element(2, Buffer.from([1, 2, 3, 4, 5, 6])),
  ]);
  return new Uint8Array(Buffer.concat([header, element(14, body)]));
}
