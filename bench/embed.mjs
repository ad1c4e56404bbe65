// Features of picture files, ours and PyTorch's in turns: pictures a second from JPEG files to features, and of the network alone.
//   node bench/embed.mjs [--only resnet-18,vit-s14] [--pictures 96] [--turns 3] [--threads 2] [--out bench/results/embed.json]
// The same random weights for both, written by PyTorch; the peer is bench/torch_embed.py (FEWLABELS_PYTHON, default /usr/bin/python3, with
// torch and torchvision). float32. The ratio is the median over turns of ours / the peer's pictures a second. On a quiet machine, please.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { embed, median, noGrad, normal, openWeights, Rng, scope } from "fewlabels/internal";
import sharp from "sharp";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "resnet-18,resnet-50,mobilenet-v3-large,vit-s14" },
    pictures: { type: "string", default: "96" },
    turns: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    out: { type: "string" },
  },
});
const [threads, batch] = [Number(values.threads), 32];
const work = mkdtempSync(join(tmpdir(), "embed-"));
const photos = join(work, "photos");
mkdirSync(photos);
const rng = Rng.fromSeed(1);
for (let i = 0; i < Number(values.pictures); i++) {
  // Smooth noise, so that JPEG has about as much to do as with photos.
  const coarse = Uint8Array.from({ length: 25 * 19 * 3 }, () => rng.integer(256));
  const picture = sharp(coarse, { raw: { width: 25, height: 19, channels: 3 } }).resize(500, 380, { kernel: "cubic" });
  writeFileSync(join(photos, `${String(i).padStart(4, "0")}.jpg`), await picture.jpeg({ quality: 90 }).toBuffer());
}
const files = readdirSync(photos)
  .sort()
  .map((name) => join(photos, name));
const peer = fileURLToPath(new URL("torch_embed.py", import.meta.url));
/** @param {string[]} args */
const python = (...args) =>
  execFileSync(process.env.FEWLABELS_PYTHON ?? "/usr/bin/python3", [peer, ...args, "--threads", values.threads], {
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: values.threads },
  });
const noise = normal([batch, 3, 224, 224], 0, 1, rng).contiguous("channelsLast").keep();

/** @param {ReturnType<typeof openWeights>} source */
async function ours(source) {
  const pass = () => {
    const begun = performance.now();
    noGrad(() => scope(() => source.model.features(noise).toArray()));
    return performance.now() - begun;
  };
  pass();
  const network = (1000 * batch) / pass();
  const started = performance.now();
  /** @type {number[]} */
  let first = [];
  for await (const item of embed(source, files, { cache: null, batch })) {
    if ("error" in item) throw new Error(item.error);
    if (first.length === 0) first = [...item.features];
  }
  return { files: (1000 * files.length) / (performance.now() - started), network, first };
}

/** @type {object[]} */
const rows = [];
for (const name of values.only.split(",")) {
  const weights = join(work, `${name}.pth`);
  python(name, weights, photos, "--init");
  const source = openWeights(weights, { threads, size: 224, device: "cpu" });
  const before = loadavg()[0];
  /** @type {{ files: number, network: number, first: number[] }[][]} */
  const turns = [];
  for (let turn = 0; turn < Number(values.turns); turn++) {
    turns.push([await ours(source), JSON.parse(python(name, weights, photos).trim().split("\n").at(-1) ?? "")]);
  }
  const of = (/** @type {0 | 1} */ who, /** @type {"files" | "network"} */ what) =>
    turns.map((pair) => pair[who]?.[what] ?? 0);
  const ratio = (/** @type {"files" | "network"} */ what) =>
    median(of(0, what).map((value, i) => value / (of(1, what)[i] ?? 1)));
  const [a, b] = [turns[0]?.[0]?.first ?? [], turns[0]?.[1]?.first ?? []];
  const length = Math.hypot(...b);
  const row = {
    name,
    oursFiles: median(of(0, "files")),
    peerFiles: median(of(1, "files")),
    ratioFiles: ratio("files"),
    oursNetwork: median(of(0, "network")),
    peerNetwork: median(of(1, "network")),
    ratioNetwork: ratio("network"),
    // Decoders resize in their own ways, so features of files agree in the first digits only.
    difference: Math.hypot(...a.map((v, i) => v - (b[i] ?? Number.NaN))) / length,
    load: [before, loadavg()[0]],
  };
  rows.push(row);
  const shown = (/** @type {number} */ value) => value.toFixed(2).padStart(8);
  console.log(
    `${name.padEnd(20)} files ${shown(row.oursFiles)} /s, PyTorch ${shown(row.peerFiles)}, ratio ${shown(row.ratioFiles)}; network ${shown(row.oursNetwork)} /s, PyTorch ${shown(row.peerNetwork)}, ratio ${shown(row.ratioNetwork)}; features differ by ${(100 * row.difference).toFixed(1)} %; load ${row.load.map((v) => (v ?? 0).toFixed(1)).join(" to ")}`,
  );
}
rmSync(work, { recursive: true });
const cpu = `${cpus().length} x ${cpus()[0]?.model ?? "?"}`;
if (values.out !== undefined)
  writeFileSync(
    values.out,
    `${JSON.stringify({ date: new Date().toISOString(), cpu, threads, pictures: files.length, rows }, null, 2)}\n`,
  );
