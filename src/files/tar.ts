/**
 * Reading tar files one member after the other: ustar, pax and GNU long names, with the parts of the format that could
 * reach out of a data set (links, devices, absolute paths, "..") refused. Memory stays at one chunk, whatever the
 * headers claim.
 * @see POSIX.1-2001, pax; GNU tar manual, "Basic Tar Format"
 */
import { type FileHandle, open } from "node:fs/promises";
import { DataError } from "../errors.js";
import { bytes } from "./packed.js";

export const blockSize = 512;
/** Read at a time by default. */
const defaultChunk = 1 << 20;
/** Longest pax header or long name: a path in it may be 4,096 bytes. */
const maxExtraBytes = 1 << 16;
const maxPathBytes = 4096;

export interface TarMember {
  /** Relative, "/" between names, without a leading "./". */
  readonly name: string;
  /** Where its first header block begins (that of its pax header or long name, if it has one). */
  readonly offset: number;
  /** Where its content begins, and its bytes. */
  readonly start: number;
  readonly size: number;
}

/** Throws DataError naming the file and the byte offset wherever the file is not sound. */
export class TarFile {
  readonly path: string;
  /** Bytes of the whole file. */
  readonly size: number;
  readonly #file: FileHandle;
  #chunk: Buffer;
  #chunkStart = 0;
  #chunkEnd = 0;
  #next = 0;
  /** Content from here on may be asked for again, so what is read with it stays in memory where that is little. */
  mark = 0;

  private constructor(path: string, file: FileHandle, size: number, chunk: number) {
    [this.path, this.#file, this.size] = [path, file, size];
    this.#chunk = Buffer.allocUnsafeSlow(chunk);
  }

  /** `chunk`: bytes read at a time; few where only headers are wanted. */
  static async open(path: string, chunk = defaultChunk): Promise<TarFile> {
    let file: FileHandle;
    try {
      file = await open(path, "r");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new DataError(code === "ENOENT" ? `${path}: there is no such shard` : `${path}: ${message}`);
    }
    try {
      const info = await file.stat();
      if (!info.isFile()) throw new DataError(`${path}: expected a tar file, found something else`);
      if (info.size === 0) throw new DataError(`${path}: the shard is empty`);
      return new TarFile(path, file, info.size, chunk);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Goes on with the member whose `offset` this is. */
  seek(offset: number): void {
    this.#next = offset;
  }

  /**
   * The next regular file; undefined after the two zero blocks that end every tar file. Directories are passed over.
   */
  async next(): Promise<TarMember | undefined> {
    const offset = this.#next;
    let longName: string | undefined;
    let pax: Pax = {};
    for (;;) {
      const at = this.#next;
      const header = await this.#read(at, blockSize, "a header");
      if (header[0] === 0 && isZero(header)) {
        await this.#checkEnd(at);
        return undefined;
      }
      const { type, ...fields } = parseHeader(header, (what) => this.fail(at, what));
      const extra = type === "x" || type === "g" || type === "L";
      const size = extra ? fields.size : (pax.size ?? fields.size);
      const start = at + blockSize;
      const end = start + Math.ceil(size / blockSize) * blockSize;
      if (start + size > this.size) {
        this.fail(at, `a member of ${bytes(size)} begins here, but the file ends after ${bytes(this.size)}: truncated`);
      }
      this.#next = end;
      if (extra) {
        if (size > maxExtraBytes) this.fail(at, `a header of ${bytes(size)}; none needs that much`);
        const content = await this.#read(start, size, "a header's content");
        if (type === "L") longName = untilZero(content);
        else if (type === "x") pax = { ...pax, ...parsePax(content, (what) => this.fail(at, what)) };
        continue; // a "g" header speaks of comments and dates of all members: nothing that matters here
      }
      if (type === "5") {
        [longName, pax] = [undefined, {}];
        continue;
      }
      const name = checkName(pax.path ?? longName ?? fields.name, (what) => this.fail(at, what));
      if (type !== "0") this.fail(at, `"${name}" is ${kinds[type] ?? `a member of type "${type}"`}, not a plain file`);
      return { name, offset, start, size };
    }
  }

  /** Content of a member; the bytes are good until the next call. Throws DataError above `limit` bytes. */
  async read({ name, offset, start, size }: TarMember, limit: number): Promise<Uint8Array> {
    if (size > limit) this.fail(offset, `"${name}" has ${bytes(size)}, more than the ${bytes(limit)} it may have`);
    const { buffer, byteOffset } = await this.#read(start, size, `"${name}"`);
    return new Uint8Array(buffer, byteOffset, size); // no Buffer, whose `slice` does not copy
  }

  fail(offset: number, what: string): never {
    throw new DataError(`${this.path}, byte ${offset}: ${what}`);
  }

  /** `length` bytes from `offset`, in the chunk, which is read anew from there where they are not. */
  async #read(offset: number, length: number, what: string): Promise<Buffer> {
    if (offset + length > this.size) {
      this.fail(offset, `expected ${what}, but the file ends after ${bytes(this.size)}: truncated`);
    }
    if (offset < this.#chunkStart || offset + length > this.#chunkEnd) {
      if (length > this.#chunk.length) this.#chunk = Buffer.allocUnsafeSlow(length);
      const before = offset - this.mark;
      const from = before > 0 && before + length <= this.#chunk.length / 2 ? this.mark : offset;
      const wanted = Math.min(this.#chunk.length, this.size - from);
      [this.#chunkStart, this.#chunkEnd] = [from, from];
      while (this.#chunkEnd < from + wanted) {
        const done = this.#chunkEnd - from;
        const { bytesRead } = await this.#readSome(done, wanted - done, this.#chunkEnd);
        if (bytesRead === 0) this.fail(this.#chunkEnd, "the file has become shorter while it was read: truncated");
        this.#chunkEnd += bytesRead;
      }
    }
    return this.#chunk.subarray(offset - this.#chunkStart, offset - this.#chunkStart + length);
  }

  async #readSome(at: number, length: number, position: number): Promise<{ readonly bytesRead: number }> {
    try {
      return await this.#file.read(this.#chunk, at, length, position);
    } catch (error) {
      return this.fail(position, `cannot be read (${(error as Error).message})`);
    }
  }

  /** Nothing but zeros may follow the first zero block, which is not the last. */
  async #checkEnd(at: number): Promise<void> {
    if (at + 2 * blockSize > this.size)
      this.fail(at, "the file ends before the second zero block that ends a tar file: truncated");
    for (let from = at + blockSize; from < this.size; from += blockSize) {
      const rest = await this.#read(from, Math.min(blockSize, this.size - from), "the end");
      if (!isZero(rest)) this.fail(from, "data after the end of the archive: two tar files in one?");
    }
    this.#next = at;
  }
}

const kinds: Readonly<Record<string, string>> = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a device",
  "4": "a device",
  "6": "a pipe",
  K: "a link with a long name",
  S: "a sparse file",
};

type Fail = (what: string) => never;

/** Name, content size and type of a header block. Old files have NUL for "0"; "7" is a file for all but one system. */
function parseHeader(
  header: Buffer,
  fail: Fail,
): { readonly name: string; readonly size: number; readonly type: string } {
  if (header[0] === 0x1f && header[1] === 0x8b) fail("gzip-compressed data; unpack the shard with gunzip first");
  const stored = octal(header.subarray(148, 156));
  let sum = 8 * 32; // the checksum itself counts as blanks
  for (let i = 0; i < 148; i++) sum += header[i]!;
  for (let i = 156; i < blockSize; i++) sum += header[i]!;
  if (stored !== sum) fail("no tar header, or a damaged one (its checksum is wrong)");
  const size = sizeOf(header.subarray(124, 136));
  if (size === undefined) fail("the header's size is not a number");
  const own = untilZero(header.subarray(0, 100));
  const ustar = header.toString("latin1", 257, 263) === "ustar\0";
  const prefix = ustar ? untilZero(header.subarray(345, 500)) : "";
  const flag = header[156]!;
  const type = flag === 0 || flag === 0x37 ? "0" : String.fromCharCode(flag);
  return { name: prefix === "" ? own : `${prefix}/${own}`, size: size!, type };
}

/** Digits, with blanks before and a blank or NUL after. */
function octal(field: Buffer): number | undefined {
  const match = /^ *([0-7]+)[ \0]*$/.exec(field.toString("latin1"));
  return match ? Number.parseInt(match[1]!, 8) : undefined;
}

/** Octal, or binary where the first bit is set (GNU, for more than 8 GB). */
function sizeOf(field: Buffer): number | undefined {
  if (field[0] !== 0x80) return octal(field);
  const value = field.readBigUInt64BE(4);
  const high = field.subarray(1, 4).some((byte) => byte !== 0);
  return high || value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
}

interface Pax {
  readonly path?: string;
  readonly size?: number;
}

/** Records `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record. */
function parsePax(content: Buffer, fail: Fail): Pax {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < content.length; ) {
    const blank = content.indexOf(0x20, at);
    const word = blank < 0 || blank - at > 6 ? "" : content.toString("latin1", at, blank);
    const length = /^[1-9]\d*$/.test(word) ? Number(word) : 0;
    const end = at + length;
    if (end <= blank + 1 || end > content.length || content[end - 1] !== 0x0a) fail("a damaged pax header");
    const record = content.toString("utf8", blank + 1, end - 1);
    const equals = record.indexOf("=");
    if (equals < 0) fail("a damaged pax header");
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === "path") found.path = value;
    if (key === "size") {
      if (!/^\d{1,15}$/.test(value)) fail(`a pax header with the size "${value.slice(0, 20)}"`);
      found.size = Number(value);
    }
    if (key.startsWith("GNU.sparse.")) fail("a sparse file, not a plain one");
    at = end;
  }
  return found;
}

function checkName(name: string, fail: Fail): string {
  const shown = JSON.stringify(name.slice(0, 80));
  if (name.includes("\0") || Buffer.byteLength(name) > maxPathBytes) fail(`a damaged name, ${shown}`);
  if (/^[/\\]|^[A-Za-z]:[/\\]/.test(name)) fail(`the name ${shown} is an absolute path`);
  if (/(^|[/\\])\.\.([/\\]|$)/.test(name)) fail(`the name ${shown} leads out of the shard`);
  const plain = name.replace(/^(\.\/)+/, "");
  return plain === "" ? fail("a member without a name") : plain;
}

function untilZero(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? field.length : end);
}

function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}
