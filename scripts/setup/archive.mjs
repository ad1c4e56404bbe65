// libtorch from the project's official archive, into the user's cache.
import { existsSync, mkdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheDir, SetupError, setupCommand, since } from "./common.mjs";
import { download } from "./download.mjs";
import { unzip } from "./unzip.mjs";

/**
 * The archive for each platform. `sha256` is empty until somebody has downloaded the file from two networks and compared:
 * the project publishes no checksums beside these archives, and an invented or unchecked one is worse than none.
 * @type {Record<string, { url: string, sha256: string }>}
 */
export const archives = {
  "linux-x64": {
    url: "https://download.pytorch.org/libtorch/cpu/libtorch-cxx11-abi-shared-with-deps-1.13.1%2Bcpu.zip",
    sha256: "",
  },
};

/**
 * What would be downloaded: the variables first, then the table. Throws where there is nothing to trust.
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [platform]
 */
export function chooseArchive(env = process.env, platform = `${process.platform}-${process.arch}`) {
  const url = env.FEWLABELS_LIBTORCH_URL || archives[platform]?.url;
  // A checksum of the table belongs to the table's file only.
  const sha256 = env.FEWLABELS_LIBTORCH_SHA256 || (env.FEWLABELS_LIBTORCH_URL ? "" : archives[platform]?.sha256);
  if (!url) {
    throw new SetupError(`no libtorch archive is known for ${platform}`, [
      "install PyTorch (pip install torch) or unpack a libtorch, and set FEWLABELS_LIBTORCH to its folder",
    ]);
  }
  if (!sha256) {
    throw new SetupError(`the checksum of ${url} is not known, so it is not downloaded`, [
      `if you know it from a source that you trust: FEWLABELS_LIBTORCH_SHA256=<64 hex digits> ${setupCommand}`,
      "or download and unpack the archive yourself and set FEWLABELS_LIBTORCH to the folder with include/ and lib/",
    ]);
  }
  if (!/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new SetupError(`FEWLABELS_LIBTORCH_SHA256: expected 64 hex digits, got ${JSON.stringify(sha256)}`);
  }
  return { url, sha256 };
}

/**
 * Downloads, checks, unpacks and moves into place; a folder that is there is whole.
 * @param {(line: string) => void} log
 * @param {NodeJS.ProcessEnv} [env]
 * @param {Partial<import("./download.mjs").DownloadOptions>} [overrides] for tests
 */
export async function installArchive(log, env = process.env, overrides = {}) {
  const { url, sha256 } = chooseArchive(env);
  const cache = cacheDir(env);
  mkdirSync(cache, { recursive: true });
  const free = statfsSync(cache);
  if (free.bavail * free.bsize < 3e9 && !env.FEWLABELS_LIBTORCH_URL) {
    throw new SetupError(`${cache} has less than 3 GB free, which libtorch needs while it is unpacked`, [
      "free some space, or set XDG_CACHE_HOME to a folder on another disk",
    ]);
  }
  const started = performance.now();
  const file = join(cache, decodeURIComponent(basename(new URL(url).pathname)) || "libtorch.zip");
  log(`downloading ${url} to ${cache}`);
  await download({ url, sha256, file, log, ...overrides });
  const temporary = join(cache, `libtorch.${process.pid}.tmp`);
  rmSync(temporary, { recursive: true, force: true });
  try {
    log("unpacking");
    await unzip(file, temporary);
    const inner = join(temporary, "libtorch");
    const whole = existsSync(join(inner, "lib")) ? inner : temporary;
    rmSync(join(cache, "libtorch"), { recursive: true, force: true });
    renameSync(whole, join(cache, "libtorch"));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  rmSync(file, { force: true });
  log(`libtorch is in ${join(cache, "libtorch")} (${since(started)})`);
}
