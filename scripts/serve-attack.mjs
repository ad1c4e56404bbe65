// Attacks `fewlabels serve` as it is started by a user: damaged bodies, bombs, slow and half-closed clients, broken requests.
//   node scripts/serve-attack.mjs RUN [--times 10000] [--seed 1] [--out bench/results/serve-attack.json]
// RUN: a run folder or an export. Every request gets an answer below 500 or a closed socket, the process never ends, between attacks a
// whole picture is classified as before, and resident memory stays flat; else it exits with 1. What was counted goes to --out.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { availableParallelism, cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, Rng } from "fewlabels/internal";
import sharp from "sharp";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: fileURLToPath(new URL("../bench/results/serve-attack.json", import.meta.url)) },
  },
});
const [run = ""] = positionals;
const times = Number(values.times);
const rng = Rng.fromSeed(Number(values.seed));
const binary = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
/** @type {Map<string, number>} */
const answers = new Map();
/** @param {string} what */
const counted = (what) => void answers.set(what, (answers.get(what) ?? 0) + 1);

const args = ["serve", run, "--port", "0", "--json", "--threads", "1", "--max-body", "1", "--max-megapixels", "4"];
const child = spawn(process.execPath, [binary, ...args], { stdio: ["ignore", "pipe", "pipe"] });
let log = "";
child.stderr.on("data", (text) => {
  log += text;
});
/** @type {string} */
const first = await new Promise((resolve, reject) => {
  child.stdout.once("data", (text) => resolve(String(text)));
  child.once("close", () => reject(new Error(`serve ended: ${log}`)));
});
/** @type {{ url: string }} */
const { url } = JSON.parse(first);
const port = Number(new URL(url).port);
const residentMB = () =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024);

/** Pictures with something in them, of one size. @param {number} width @param {number} height */
function picture(width, height) {
  const pixels = Buffer.from(Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 2654435761) >>> 24));
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}
const whole = {
  png: await picture(48, 40).png().toBuffer(),
  jpeg: await picture(64, 48).jpeg().toBuffer(),
  webp: await picture(48, 48).webp().toBuffer(),
  gif: await picture(32, 32).gif().toBuffer(),
  tiff: await picture(32, 32).tiff().toBuffer(),
};
const sources = Object.values(whole);
const bomb = await sharp({
  create: { width: 12_000, height: 12_000, channels: 3, background: "black" },
  limitInputPixels: false,
})
  .png({ compressionLevel: 9 })
  .toBuffer();

/** Bytes changed, cut, doubled, put in, or exchanged for others. @param {Uint8Array} bytes */
function mutated(bytes) {
  let content = Buffer.from(bytes);
  for (let k = rng.integer(24); k >= 0; k--) content[rng.integer(content.length)] = rng.integer(256);
  const way = rng.integer(6);
  const at = rng.integer(content.length);
  if (way === 0) content = content.subarray(0, at);
  if (way === 1) content = Buffer.concat([content.subarray(at), content.subarray(0, at)]);
  if (way === 2)
    content = Buffer.concat([
      content.subarray(0, at),
      Buffer.alloc(rng.integer(5000), rng.integer(256)),
      content.subarray(at),
    ]);
  return content;
}

/** @param {Uint8Array} bytes @param {number} i @returns {{ headers: Record<string, string>, body: Uint8Array }} */
function request(bytes, i) {
  if (i % 4 !== 3) return { headers: {}, body: bytes };
  const boundary = "b";
  const part = `--${boundary}\r\ncontent-disposition: form-data; name="a"; filename="${i}"\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(part), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  // Half of these are damaged as a whole, their boundaries as well.
  return {
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    body: i % 8 === 7 ? mutated(body) : body,
  };
}

/** @param {Uint8Array} body @param {Record<string, string>} headers */
async function post(body, headers = {}) {
  const response = await fetch(`${url}classify`, { method: "POST", headers, body: Uint8Array.from(body) });
  return { status: response.status, text: await response.text() };
}

/** Sends bytes, slowly if asked, and gives the first line of the answer, or "closed". @param {Buffer[]} parts @param {number} [pause] @param {boolean} [half] */
function raw(parts, pause = 0, half = false) {
  return new Promise((resolve) => {
    let got = "";
    const socket = connect(port, "127.0.0.1", async () => {
      for (const part of parts) {
        if (socket.destroyed) return;
        socket.write(part);
        if (pause) await new Promise((done) => setTimeout(done, pause));
      }
      if (half) socket.end();
    });
    socket.on("data", (part) => {
      got += part.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(/^HTTP\/1.1 (\d+)/.exec(got)?.[1] ?? "closed"));
  });
}
const head = (/** @type {number} */ length, more = "") =>
  Buffer.from(
    `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\nConnection: close\r\n${more}\r\n`,
  );

/** @type {{ class: string, probability: number }} */
const known = JSON.parse((await post(whole.png)).text);
let wrong = 0;
/** @type {string[]} */
const remarks = [];
/** Pictures beside it in a pass change its last digits. */
const alive = async () => {
  const { status, text } = await post(whole.png);
  const now = status === 200 ? JSON.parse(text) : {};
  if (now.class === known.class && Math.abs(now.probability - known.probability) < 1e-5) return;
  wrong++;
  remarks.push(`a whole picture: ${status} ${text.slice(0, 200)}`);
};

const began = Date.now();
/** Slow clients, all the while: a byte a second, headers or bodies that never end, sockets that say nothing. @type {Promise<void>[]} */
const slow = [];
const slowly = (/** @type {Promise<string>} */ end) =>
  slow.push(end.then((status) => counted(`slow client: ${status}`)));
for (let i = 0; i < 8; i++)
  slowly(raw([head(whole.png.length), ...Array.from(whole.png.subarray(0, 120), (b) => Buffer.of(b))], 1000));
for (let i = 0; i < 8; i++)
  slowly(
    raw(
      Array.from("POST /classify HTTP/1.1\r\nHost: localhost\r\n".repeat(3), (c) => Buffer.from(c)),
      1000,
    ),
  );

/** @type {number[]} */
const memory = [];
let ended = false;
child.once("close", () => {
  ended = true;
});
const lanes = 2 * availableParallelism();
let next = 0;
const lane = async () => {
  while (next < times && !ended) {
    const i = next++;
    const { headers, body } = request(mutated(sources[i % sources.length] ?? whole.png), i);
    const { status } = await post(body, headers).catch(() => ({ status: 0 }));
    counted(`damaged body: ${status || "closed"}`);
    if (status >= 500 && status !== 503) {
      wrong++;
      remarks.push(`a damaged body: ${status}`);
    }
    if (i % 100 === 0) {
      await alive();
      counted(`bomb: ${(await post(bomb)).status}`);
      counted(
        `long body: ${(await post(new Uint8Array(2 ** 20 + 1)).catch(() => ({ status: 0 }))).status || "closed"}`,
      );
      counted(`half-closed, whole: ${await raw([head(whole.png.length), whole.png], 0, true)}`);
      counted(`half-closed, cut: ${await raw([head(1000), Buffer.from("abc")], 0, true)}`);
      counted(`broken request: ${await raw([mutated(Buffer.concat([head(whole.gif.length), whole.gif]))], 0, true)}`);
      counted(`long header: ${await raw([head(1, `X: ${"a".repeat(100_000)}\r\n`)], 0, true)}`);
    }
    if (i % Math.max(1, Math.floor(times / 40)) === 0) memory.push(residentMB());
  }
};
await Promise.all(Array.from({ length: lanes }, lane));
await Promise.all(slow);
await alive();
const quarter = memory.length >> 2;
const [secondQuarterMB, lastQuarterMB] = [median(memory.slice(quarter, 2 * quarter)), median(memory.slice(-quarter))];
const faults = log.split("\n").filter(Boolean).length;
const running = !ended;
child.removeAllListeners("close");
const code = await new Promise((resolve) => {
  if (ended) resolve(child.exitCode);
  child.once("close", resolve);
  child.kill("SIGTERM");
});
const result = {
  date: new Date().toISOString().slice(0, 10),
  machine: cpus()[0]?.model,
  load: loadavg().map((x) => Number(x.toFixed(1))),
  times,
  seed: Number(values.seed),
  minutes: Number(((Date.now() - began) / 60_000).toFixed(1)),
  answers: Object.fromEntries([...answers].sort()),
  wrong,
  remarks,
  linesInItsLog: faults,
  ranToTheEnd: running,
  exitCode: code,
  secondQuarterMB,
  lastQuarterMB,
  memoryMB: memory,
};
console.log(JSON.stringify(result, null, 1));
if (log) console.error(log.slice(0, 2000));
writeFileSync(values.out, `${JSON.stringify(result, null, 1)}\n`);
if (wrong > 0 || !running || code !== 0 || lastQuarterMB > secondQuarterMB + 30) process.exitCode = 1;
