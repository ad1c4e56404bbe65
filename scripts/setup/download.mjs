// A large download over a bad line: resumes where it was cut off, notices a stall, and trusts nothing but the checksum.
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { readJson, SetupError } from "./common.mjs";

/**
 * @typedef {object} DownloadOptions
 * @property {string} url
 * @property {string} sha256       expected, in hex; nothing is kept that does not match
 * @property {string} file         where the whole file ends up; `<file>.part` beside it while it is incomplete
 * @property {(line: string) => void} log
 * @property {number} [stallMs]    give up on a connection that sends nothing for so long
 * @property {number} [retries]    tries in a row that bring no byte before giving up
 * @property {number} [retryMs]    pause before the second try; doubles with every fruitless one
 * @property {number} [progressMs] time between progress lines
 */

/**
 * Fetches `url` into `file`. A file that is there already with the right checksum is not fetched again.
 * @param {DownloadOptions} options
 */
export async function download(options) {
  const { url, file, log, retries = 5, retryMs = 1000 } = options;
  const expected = options.sha256.toLowerCase();
  mkdirSync(dirname(file), { recursive: true });
  if (sizeOf(file) > 0 && (await sha256OfFile(file)) === expected) return;
  const part = `${file}.part`;
  for (let fruitless = 0; ; ) {
    const before = sizeOf(part);
    try {
      await fetchRest(options, part);
      break;
    } catch (error) {
      if (error instanceof SetupError) throw error;
      fruitless = sizeOf(part) > before ? 0 : fruitless + 1;
      const reason = describe(error);
      if (fruitless >= retries) {
        throw new SetupError(`downloading ${url} failed: ${reason} (${retries} tries without a byte)`, [
          "run the same command again: it goes on where it stopped",
          "or download the archive elsewhere, unpack it, and set FEWLABELS_LIBTORCH to its folder",
        ]);
      }
      log(`download interrupted at ${megabytes(sizeOf(part))}: ${reason}; going on from there`);
      await sleep(retryMs * 2 ** fruitless);
    }
  }
  const actual = await sha256OfFile(part);
  if (actual !== expected) {
    rmSync(part, { force: true });
    rmSync(`${part}.json`, { force: true });
    throw new SetupError(`${url} has the wrong checksum: expected sha256 ${expected}, got ${actual}`, [
      "the file was thrown away; run the same command again, and distrust the server if it happens twice",
    ]);
  }
  renameSync(part, file);
  rmSync(`${part}.json`, { force: true });
}

/** @param {DownloadOptions} options @param {string} part */
async function fetchRest({ url, log, stallMs = 30_000, progressMs = 5000 }, part) {
  const have = sizeOf(part);
  const known = readJson(`${part}.json`) ?? {};
  // Without the validator of the first answer a resumed download could glue two versions together.
  const resume = have > 0 && known.url === url && typeof known.validator === "string";
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(new Error(`no data for ${stallMs / 1000} s`)), stallMs);
  try {
    /** @type {Record<string, string>} */
    const headers = resume ? { range: `bytes=${have}-`, "if-range": known.validator } : {};
    await useProxy();
    const response = await fetch(url, { headers: { ...headers, "accept-encoding": "identity" }, signal: abort.signal });
    if (response.status === 416) {
      // Nothing after what we have: complete, or not this file. The checksum tells.
      await response.body?.cancel();
      return;
    }
    if (response.status >= 400 && response.status < 500 && response.status !== 408 && response.status !== 429) {
      await response.body?.cancel();
      throw new SetupError(`${url} answered ${response.status} ${response.statusText}`, [
        "set FEWLABELS_LIBTORCH_URL and FEWLABELS_LIBTORCH_SHA256 to an archive that exists",
      ]);
    }
    if (!response.ok || !response.body)
      throw new Error(`the server answered ${response.status} ${response.statusText}`);
    const append = response.status === 206 && resume;
    const start = append ? have : 0;
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    const total = start + length;
    const validator = response.headers.get("etag") ?? response.headers.get("last-modified");
    writeFileSync(`${part}.json`, JSON.stringify({ url, validator: validator?.startsWith("W/") ? null : validator }));
    let received = start;
    let spoken = performance.now();
    const output = await open(part, append ? "a" : "w");
    try {
      // Each piece is on disk before the next is taken: what came before a cut is not fetched again.
      for await (const chunk of response.body) {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(new Error(`no data for ${stallMs / 1000} s`)), stallMs);
        await output.writeFile(chunk);
        received += chunk.length;
        if (performance.now() - spoken > progressMs) {
          spoken = performance.now();
          const share = Number.isNaN(total)
            ? ""
            : ` of ${megabytes(total)} (${Math.floor((100 * received) / total)} %)`;
          log(`downloaded ${megabytes(received)}${share}`);
        }
      }
    } finally {
      await output.close();
    }
    if (!Number.isNaN(length) && received < total) throw new Error("the connection was closed early");
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/** Through the proxy that the environment names, if any: Node's fetch does not look there before version 24. */
async function useProxy() {
  const named = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"].some((name) => process.env[name]);
  if (!named) return;
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await import("undici");
  setGlobalDispatcher(new EnvHttpProxyAgent());
}

/** @param {string} file */
export async function sha256OfFile(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** @param {string} file */
function sizeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** fetch hides the reason in `cause`. @param {unknown} error */
function describe(error) {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message ? error.cause.message : error.message;
}
