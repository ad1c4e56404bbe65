/**
 * One large file over a bad line: goes on where it was cut off, notices a stall, and trusts nothing but size and checksum. Since the
 * checksum is known beforehand, any server may finish what another began.
 */
import { createHash } from "node:crypto";
import { createReadStream, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { DataError, DiskError, DownloadError } from "../../errors.js";
import { fetchUrl } from "../../files/fetch.js";
import { bytes as inBytes } from "../../files/packed.js";
import { cannotWrite, putInPlace } from "../../files/write-whole.js";

export interface WantedFile {
  readonly url: string;
  /** Where the whole file ends up; `<file>.part` beside it until it is whole and right. */
  readonly file: string;
  readonly bytes: number;
  /** In hex; one of the two. */
  readonly md5?: string;
  /** In hex, or its first digits. */
  readonly sha256?: string;
}

export interface FetchControl {
  /** Ends the download; what has come is kept. */
  readonly signal?: AbortSignal | undefined;
  /** A connection that sends nothing for so long is given up. Default 30. */
  readonly stallSeconds?: number | undefined;
  /** Connections in a row without a byte before giving up. Default 5. */
  readonly tries?: number;
  /** Pause before the second of them; doubles with each. Default 1. */
  readonly pauseSeconds?: number;
  /** Bytes on disk, and how many of them came just now. */
  readonly onBytes?: (have: number, came: number) => void;
  /** What went wrong and was dealt with. */
  readonly onNote?: (line: string) => void;
}

/** What came is something else than what was published. */
class WrongContent extends Error {}

/** The head of an answer says that it is something else (a page to log in, another size): nothing of it was written. */
class OtherAnswer extends Error {}

/** Errors that another connection would not help against. */
const final = [WrongContent, OtherAnswer, DataError, DiskError, DownloadError];

interface Line {
  /** Whether anything came from an earlier connection. */
  resumed: boolean;
  /** Whether to ask for the file from its beginning, whatever is there. */
  fromStart: boolean;
}

/**
 * Fetches a file; one process at a time (in-turn.ts). Throws DataError where the content is wrong (nothing is kept) or the server offers something else (what has come is
 * kept), DiskError where it cannot be written, DownloadError where the server refuses or no byte comes (what has come is kept), and the signal's reason when it is aborted.
 */
export async function fetchFile(wanted: WantedFile, control: FetchControl = {}): Promise<void> {
  const part = `${wanted.file}.part`;
  let fromStart = false;
  for (let again = false; ; again = true) {
    const line: Line = { resumed: sizeOf(part) > 0, fromStart };
    try {
      if (sizeOf(part) > wanted.bytes) throw new WrongContent("the part that was there is longer than the file");
      await fetchPieces(wanted, part, control, line);
      await checkContent(wanted, part, control.signal);
      putInPlace(part, wanted.file);
      return;
    } catch (error) {
      if (control.signal?.aborted) throw error;
      if (await fetchedByAnother(wanted, control.signal)) return;
      if (error instanceof OtherAnswer) {
        if (again || !line.resumed) {
          const kept = sizeOf(part) > 0 ? " What came before is kept." : "";
          throw new DataError(
            `${wanted.url} is not the official file: ${error.message}.${kept} Open the address in a browser (a page to log in, or one that says the server is down?) and run the same command again. ${elsewhere(wanted)}`,
          );
        }
        control.onNote?.(`the server does not go on with the file (${error.message}); starting from its beginning`);
        fromStart = true;
        continue;
      }
      if (!(error instanceof WrongContent)) throw error;
      rmSync(part, { force: true });
      // Glued from two connections that served different things? A single one tells.
      if (again || !line.resumed) {
        throw new DataError(
          `${wanted.url} is not the official file: ${error.message}. What came was thrown away; run the same command again, and distrust the server if it happens twice`,
        );
      }
      control.onNote?.(`the resumed file is not right (${error.message}); starting from its beginning`);
    }
  }
}

/** Whether the whole file is there, put by a process that fetched it at the same time and took the part away. */
async function fetchedByAnother(wanted: WantedFile, signal?: AbortSignal): Promise<boolean> {
  if (sizeOf(wanted.file) !== wanted.bytes) return false;
  try {
    await checkContent(wanted, wanted.file, signal);
    return true;
  } catch {
    return false;
  }
}

/** Connects until the file is whole. */
async function fetchPieces(wanted: WantedFile, part: string, control: FetchControl, line: Line): Promise<void> {
  const { tries = 5, pauseSeconds = 1, signal, onNote } = control;
  let fruitless = 0;
  while (sizeOf(part) < wanted.bytes || line.fromStart) {
    const before = sizeOf(part);
    if (before > 0) line.resumed = true;
    try {
      await connect(wanted, part, control, line);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (final.some((kind) => error instanceof kind)) throw error;
      const have = sizeOf(part);
      fruitless = have > before ? 0 : fruitless + 1;
      if (fruitless >= tries) {
        throw new DownloadError(
          `cannot fetch ${wanted.url}: ${reasonOf(error)} (${tries} tries that brought nothing). Run the same command again: it goes on where it stopped. ${elsewhere(wanted)}`,
        );
      }
      onNote?.(`download interrupted: ${reasonOf(error)}; going on from ${inBytes(have)}`);
      await sleep(pauseSeconds * 1000 * 2 ** fruitless, undefined, { signal });
    }
    if (sizeOf(part) === 0 && sizeOf(wanted.file) === wanted.bytes) return; // another process has put it in place
  }
}

/** One connection: asks for what is missing (or for all) and appends what comes. */
async function connect(wanted: WantedFile, part: string, control: FetchControl, line: Line): Promise<void> {
  const { stallSeconds = 30, signal, onBytes } = control;
  const have = line.fromStart ? 0 : sizeOf(part);
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(new Error(`no data for ${stallSeconds} s`)), stallSeconds * 1000);
  try {
    const response = await fetchUrl(wanted.url, {
      headers: { "accept-encoding": "identity", ...(have > 0 ? { range: `bytes=${have}-` } : {}) },
      signal: AbortSignal.any(signal ? [signal, stall.signal] : [stall.signal]),
    });
    let received = await firstByte(response, wanted, have);
    line.fromStart = false;
    const output = await writing(part, () => open(part, received > 0 ? "a" : "w"));
    try {
      for await (const piece of response.body ?? []) {
        timer.refresh();
        received += piece.length;
        if (received > wanted.bytes) throw new WrongContent(`expected ${inBytes(wanted.bytes)}, got more`);
        await append(output, piece, part);
        onBytes?.(received, piece.length);
      }
    } finally {
      await output.close();
    }
    if (received < wanted.bytes) throw new Error("the connection was closed early");
  } catch (error) {
    throw stall.signal.aborted ? stall.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Which byte of the file the answer's body begins with: `have`, or 0 where the server does not resume. Throws OtherAnswer where its head says
 * that it is another file.
 */
async function firstByte(response: Response, wanted: WantedFile, have: number): Promise<number> {
  const { status, statusText, headers } = response;
  const stop = async <E extends Error>(error: E): Promise<never> => {
    await response.body?.cancel();
    throw error;
  };
  const answer = `${status} ${statusText}`.trim();
  if (status === 416) return stop(new OtherAnswer(`it ends after ${inBytes(have)}, expected ${inBytes(wanted.bytes)}`));
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return stop(new DownloadError(`${wanted.url} answered ${answer}. ${elsewhere(wanted)}`));
  }
  if (!response.ok) return stop(new Error(`the server answered ${answer}`));
  const range = /^bytes (\d+)-/.exec(headers.get("content-range") ?? "");
  if (status === 206 && Number(range?.[1]) !== have) {
    return stop(new OtherAnswer(`asked for bytes from ${have} on, got "${headers.get("content-range")}"`));
  }
  const start = status === 206 ? have : 0;
  const length = headers.get("content-length");
  if (length !== null && start + Number(length) !== wanted.bytes) {
    return stop(
      new OtherAnswer(`expected ${inBytes(wanted.bytes)}, the server has ${inBytes(start + Number(length))}`),
    );
  }
  // A page of unknown length, in place of the file.
  const type = headers.get("content-type") ?? "";
  if (length === null && /^text\/html\b/i.test(type)) return stop(new OtherAnswer("the server sends a web page"));
  return start;
}

async function append(output: FileHandle, piece: Uint8Array, part: string): Promise<void> {
  await writing(part, () => output.writeFile(piece));
}

/** Awaits what writes `path`. A failure is the disk's, not the line's: no use in trying again. */
async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Throws WrongContent where the checksum is another. */
async function checkContent({ md5, sha256 }: WantedFile, part: string, signal?: AbortSignal): Promise<void> {
  const kind = md5 === undefined ? "sha256" : "md5";
  const wanted = md5 ?? sha256;
  const found = await hashOfFile(part, kind, signal);
  if (!wanted || !found.startsWith(wanted)) throw new WrongContent(`expected ${kind} ${wanted}, got ${found}`);
}

/** MD5 of a file's content, in hex. */
export async function md5OfFile(file: string, signal?: AbortSignal): Promise<string> {
  return await hashOfFile(file, "md5", signal);
}

/** Checksum of a file's content, in hex. */
export async function hashOfFile(file: string, kind: "md5" | "sha256", signal?: AbortSignal): Promise<string> {
  const hash = createHash(kind);
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest("hex");
}

/** Size of a file in bytes; 0 where there is none. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function elsewhere({ file }: WantedFile): string {
  return `Or fetch the file some other way, save it as ${file} and run the same command: it is checked and used. FEWLABELS_MIRROR names another server`;
}

/** fetch hides the reason in `cause`, whose message may be empty. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? (error.cause as NodeJS.ErrnoException) : undefined;
  return cause?.message || cause?.code || error.message;
}
