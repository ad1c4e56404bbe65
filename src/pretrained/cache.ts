/** Pretrained weights on this machine: the cache folder, what is in it, and how it gets there. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { type FetchControl, fetchFile, hashOfFile } from "../data/download/fetch-file.js";
import { inTurn } from "../data/download/in-turn.js";
import { DataError, DownloadError, UsageError, unknownName } from "../errors.js";
import { fetchUrl } from "../files/fetch.js";
import { makeFolder, writeWhole } from "../files/write-whole.js";
import { cacheFolder as packageCache } from "../package.js";
import { type OfficialWeights, officialWeights } from "./official-weights.js";

export interface CachedWeights {
  readonly official: OfficialWeights;
  readonly path: string;
  /** The whole checksum of the file as it came. */
  readonly sha256: string;
}

/** A folder of the cache: `$FEWLABELS_CACHE`, else `fewlabels` in `$XDG_CACHE_HOME` or `~/.cache`. */
export function cacheFolder(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment.FEWLABELS_CACHE || packageCache(environment), name);
}

export function weightsFolder(environment?: NodeJS.ProcessEnv): string {
  return cacheFolder("weights", environment);
}

/** The row of that name. A model's name alone (`resnet-50`) means the best of its weights. */
export function findWeights(name: string): OfficialWeights | undefined {
  const ofModel = officialWeights.filter(({ model }) => model === name);
  const best = ofModel.toSorted((a, b) => b.accuracy - a.accuracy)[0];
  return officialWeights.find((row) => row.name === name) ?? best;
}

/** Throws UsageError that names the nearest. */
export function weightsOf(name: string): OfficialWeights {
  const found = findWeights(name);
  if (found) return found;
  const valid = officialWeights.map((row) => row.name);
  throw new UsageError(unknownName("fewlabels weights", "weights", name, valid));
}

/** Where the weights of a row are once they are here. */
export function pathOf(official: OfficialWeights, folder = weightsFolder()): string {
  return join(folder, `${official.name}${extname(basename(official.url))}`);
}

/** What is known of weights that are here; undefined where they are not. */
export function cached(official: OfficialWeights, folder = weightsFolder()): CachedWeights | undefined {
  const path = pathOf(official, folder);
  if (!existsSync(path)) return undefined;
  return { official, path, sha256: notedSum(`${path}.json`) ?? official.sha256 ?? "" };
}

/** The checksum that was written beside a file; undefined where nothing is, or nothing that can be read. */
function notedSum(note: string): string | undefined {
  try {
    const sha256: unknown = JSON.parse(readFileSync(note, "utf8"))?.sha256;
    return typeof sha256 === "string" ? sha256 : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it is the path of a file, and no name of weights. Throws DataError on a folder that is called like none. */
export function isWeightsFile(nameOrFile: string): boolean {
  if (!existsSync(nameOrFile)) return false;
  if (!statSync(nameOrFile).isDirectory()) return true;
  if (findWeights(nameOrFile)) return false;
  throw new DataError(
    `${nameOrFile}: expected a file of weights or a name of \`fewlabels weights list\`, got a folder. Those of a run are RUN/checkpoints/step-N/student.safetensors`,
  );
}

/**
 * The file that `--model.weights` means: a path, or the name of weights that are here. Throws UsageError that says how to get them, or
 * that there is neither. `who` says so, and `what` could have been given.
 */
export function locateWeights(
  nameOrFile: string,
  folder = weightsFolder(),
  { who = "model.weights", what = "file or weights" } = {},
): string {
  if (isWeightsFile(nameOrFile)) return nameOrFile;
  const official = findWeights(nameOrFile);
  if (!official) {
    const names = officialWeights.map((row) => row.name);
    if (/[\\/]|\.(pth|pt|bin|safetensors)$/.test(nameOrFile))
      throw new DataError(`${nameOrFile}: cannot be read (there is no such file)`);
    throw new UsageError(unknownName(who, what, nameOrFile, names));
  }
  const found = cached(official, folder);
  if (found) return found.path;
  throw new UsageError(
    `${who}: ${official.name} is not on this machine yet. \`fewlabels weights get ${official.name}\` fetches it (${official.megabytes} MB)`,
  );
}

export interface GetOptions extends FetchControl {
  readonly folder?: string;
  /** Address to take the file from, by its name, in place of the official one. */
  readonly mirror?: string | undefined;
  /** The size is known now. */
  readonly onSize?: (bytes: number) => void;
}

/**
 * Brings weights here unless they are. Throws DataError where the content is wrong, DownloadError where the server does not deliver, and
 * the signal's reason when it is aborted (what has come is kept).
 */
export async function getWeights(
  official: OfficialWeights,
  options: GetOptions = {},
): Promise<CachedWeights & { fetched: boolean }> {
  const { folder = weightsFolder(), mirror, onSize } = options;
  const here = cached(official, folder);
  if (here) return { ...here, fetched: false };
  try {
    makeFolder(folder);
  } catch (error) {
    throw new DataError(`cannot make ${folder}: ${(error as Error).message}. FEWLABELS_CACHE names another folder`);
  }
  const url = mirror === undefined ? official.url : `${mirror.replace(/\/+$/, "")}/${basename(official.url)}`;
  const facts = await ask(url, options);
  onSize?.(facts.bytes);
  const sha256 = official.sha256 ?? facts.sha256;
  if (sha256 === undefined) {
    throw new DownloadError(
      `${url} does not say its checksum, so what comes could not be trusted. Fetch the file yourself and give it to --model.weights`,
    );
  }
  const path = pathOf(official, folder);
  return await inTurn(path, options, async (waited) => {
    const brought = waited ? cached(official, folder) : undefined;
    if (brought) return { ...brought, fetched: false };
    await fetchFile({ url, file: path, bytes: facts.bytes, sha256 }, options);
    const whole = await hashOfFile(path, "sha256", options.signal);
    writeWhole(
      `${path}.json`,
      `${JSON.stringify({ name: official.name, model: official.model, url, bytes: facts.bytes, sha256: whole, licence: official.licence }, null, 2)}\n`,
    );
    return { official, path, sha256: whole, fetched: true };
  });
}

/** Size, and checksum where the server is the hub (`x-linked-etag`), from the answers to HEAD; redirects are followed one by one. */
async function ask(
  url: string,
  { signal, stallSeconds = 30 }: FetchControl,
): Promise<{ bytes: number; sha256?: string | undefined }> {
  let sha256: string | undefined;
  let linked: number | undefined;
  let place = url;
  for (let hop = 0; hop < 6; hop++) {
    const timeout = AbortSignal.timeout(stallSeconds * 1000);
    let answer: Response;
    try {
      const signals = signal ? [signal, timeout] : [timeout];
      const headers = { "accept-encoding": "identity" };
      answer = await fetchUrl(place, { method: "HEAD", redirect: "manual", headers, signal: AbortSignal.any(signals) });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      throw new DownloadError(
        `cannot reach ${place}: ${cause}. Fetch the file some other way and give it to --model.weights; FEWLABELS_MIRROR names another server`,
      );
    }
    const etag = /^"?([0-9a-f]{64})"?$/.exec(answer.headers.get("x-linked-etag") ?? "")?.[1];
    sha256 ??= etag;
    if (answer.headers.has("x-linked-size")) linked ??= Number(answer.headers.get("x-linked-size"));
    const next = answer.headers.get("location");
    if (answer.status >= 300 && answer.status < 400 && next) {
      place = new URL(next, place).href;
      continue;
    }
    if (!answer.ok) throw new DownloadError(`${place} answered ${answer.status} ${answer.statusText}`.trim());
    if (/^text\/html\b/i.test(answer.headers.get("content-type") ?? ""))
      throw new DownloadError(
        `${place} answered with a web page (to log in, or because the server is down?). What has come is kept: run the same command again later. FEWLABELS_MIRROR names another server`,
      );
    const bytes = linked ?? Number(answer.headers.get("content-length") ?? Number.NaN);
    if (!Number.isSafeInteger(bytes) || bytes <= 0)
      throw new DownloadError(`${place} does not say how large the file is`);
    return { bytes, sha256 };
  }
  throw new DownloadError(`${url} leads from one address to another without an end`);
}
