// `fewlabels serve` under load, by autocannon (fetched by npx, no dependency): requests per second and latency with 1, 8 and 32 clients
// at once, with batches (--batch 32) and without (--batch 1), in turns.
//   node bench/serve-load.mjs RUN PICTURE [--seconds 10] [--turns 2] [--out bench/results/serve-load.json]
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "fewlabels/internal";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "10" },
    turns: { type: "string", default: "2" },
    out: { type: "string" },
  },
});
const [run = "", picture = ""] = positionals;
const form = JSON.stringify({ picture: { type: "file", path: resolve(picture) } }); // a body given by -i is sent as text
const tool = "autocannon@9.0.0";
const binary = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));

/** A server of its own; stopped by `stop`. @param {number} batch */
async function serve(batch) {
  const args = [
    "serve",
    run,
    "--port",
    "0",
    "--json",
    "--batch",
    String(batch),
    "--max-requests",
    "64",
    "--threads",
    "1",
  ];
  const child = spawn(process.execPath, [binary, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  /** @type {string} */
  const line = await new Promise((resolve, reject) => {
    child.stdout.once("data", (text) => resolve(String(text)));
    child.once("close", () => reject(new Error("serve ended")));
  });
  child.removeAllListeners("close");
  const url = `${JSON.parse(line).url}`;
  return {
    url,
    stop: () =>
      new Promise((resolve) => {
        child.once("close", resolve);
        child.kill("SIGTERM");
      }),
  };
}

/** @param {string} url @param {number} clients @param {string} seconds */
function load(url, clients, seconds) {
  const args = [
    "--yes",
    tool,
    "-j",
    "-c",
    String(clients),
    "-d",
    seconds,
    "-t",
    "60",
    "-m",
    "POST",
    "-F",
    form,
    `${url}classify`,
  ];
  const text = execFileSync("npx", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 2 ** 26 });
  const { requests, latency, non2xx, errors, timeouts, statusCodeStats } = JSON.parse(text);
  return {
    rate: requests.average,
    p50: latency.p50,
    p99: latency.p99,
    non2xx,
    errors: errors + timeouts,
    statusCodeStats,
  };
}

/** @type {Record<string, ReturnType<typeof load>[]>} */
const found = {};
/** @type {Record<string, number>} */
const perPass = {};
const before = loadavg();
for (let turn = 0; turn < Number(values.turns); turn++) {
  for (const batch of [32, 1]) {
    const { url, stop } = await serve(batch);
    load(url, 1, "2");
    for (const clients of [1, 8, 32]) {
      const name = `${clients} clients, --batch ${batch}`;
      const read = async () =>
        /** @type {{ pictures: number, passes: number }} */ (
          await (await fetch(`${url}health`, { headers: { connection: "close" } })).json()
        );
      const first = await read();
      const list = found[name] ?? [];
      found[name] = list;
      list.push(load(url, clients, values.seconds));
      const last = await read();
      perPass[name] = Number(((last.pictures - first.pictures) / Math.max(1, last.passes - first.passes)).toFixed(1));
      console.log(name, JSON.stringify(list.at(-1)), perPass[name]);
    }
    await stop();
  }
}
const rows = Object.entries(found).map(([name, list]) => ({
  name,
  requestsPerSecond: Number(median(list.map(({ rate }) => rate)).toFixed(1)),
  medianMs: median(list.map(({ p50 }) => p50)),
  p99Ms: median(list.map(({ p99 }) => p99)),
  picturesPerPass: perPass[name],
  refusedOrFailed: list.reduce((sum, { non2xx, errors }) => sum + non2xx + errors, 0),
}));
const { model } = JSON.parse(readFileSync(`${run}/config.json`, "utf8"));
const round = (/** @type {number[]} */ list) => list.map((x) => Number(x.toFixed(1)));
const result = {
  date: new Date().toISOString().slice(0, 10),
  machine: cpus()[0]?.model,
  cores: cpus().length,
  load: { before: round(before), after: round(loadavg()) },
  tool,
  model,
  pictureBytes: statSync(picture).size,
  rows,
};
console.log(JSON.stringify(result, null, 1));
if (values.out) writeFileSync(values.out, `${JSON.stringify(result, null, 1)}\n`);
