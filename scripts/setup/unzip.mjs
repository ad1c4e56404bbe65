// Unpacks a zip archive: `unzip` is not on every machine, and Node has the two hard parts (inflate, crc32).
import {
  chmodSync,
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  symlinkSync,
} from "node:fs";
import { dirname, isAbsolute, join, normalize, relative, resolve, sep } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { SetupError } from "./common.mjs";

/** @typedef {{ name: string, method: number, crc: number, packed: number, size: number, offset: number, mode: number }} Entry */

/**
 * Unpacks `archive` into `folder`, checking every file's length and CRC-32. Refuses names and links that leave `folder`.
 * @param {string} archive
 * @param {string} folder
 * @returns {Promise<number>} number of files
 */
export async function unzip(archive, folder) {
  const fd = openSync(archive, "r");
  try {
    const entries = readDirectory(fd, archive);
    /** @type {Entry[]} */
    const links = [];
    for (const entry of entries) {
      const target = inside(folder, entry.name, archive);
      if (entry.name.endsWith("/")) {
        mkdirSync(target, { recursive: true });
        continue;
      }
      mkdirSync(dirname(target), { recursive: true });
      // Links last: a link unpacked first could redirect a later file out of the folder.
      if ((entry.mode & 0o170000) === 0o120000) links.push(entry);
      else await extract(fd, archive, entry, target);
    }
    for (const entry of links) {
      const target = inside(folder, entry.name, archive);
      const destination = readSmall(fd, archive, entry);
      if (isAbsolute(destination)) throw broken(archive, `${entry.name} links to ${destination}`);
      inside(folder, relative(folder, resolve(dirname(target), destination)), archive);
      symlinkSync(destination, target);
    }
    return entries.length;
  } finally {
    closeSync(fd);
  }
}

/** @param {string} archive @param {string} problem */
function broken(archive, problem) {
  return new SetupError(`${archive} is not a whole zip archive: ${problem}`, [
    "delete it and run the same command again",
  ]);
}

/** @param {string} folder @param {string} name @param {string} archive */
function inside(folder, name, archive) {
  const path = normalize(name);
  if (isAbsolute(path) || path === ".." || path.startsWith(`..${sep}`) || name.includes("\0")) {
    throw broken(archive, `the name ${JSON.stringify(name)} leaves the folder`);
  }
  return join(folder, path);
}

/** @param {number} fd @param {number} position @param {number} length @param {string} archive */
function readAt(fd, position, length, archive) {
  const buffer = Buffer.alloc(length);
  if (position < 0 || readSync(fd, buffer, 0, length, position) !== length) throw broken(archive, "it is cut off");
  return buffer;
}

/** @param {number} fd @param {string} archive @returns {Entry[]} */
function readDirectory(fd, archive) {
  const size = fstatSync(fd).size;
  const tail = readAt(fd, Math.max(0, size - 65_557), Math.min(size, 65_557), archive);
  const end = tail.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end < 0 || end + 22 > tail.length) throw broken(archive, "no directory at its end");
  let count = tail.readUInt16LE(end + 10);
  let length = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  if (count === 0xffff || length === 0xffffffff || offset === 0xffffffff) {
    if (end < 20 || tail.readUInt32LE(end - 20) !== 0x07064b50) throw broken(archive, "no zip64 directory");
    const record = readAt(fd, Number(tail.readBigUInt64LE(end - 12)), 56, archive);
    count = Number(record.readBigUInt64LE(32));
    length = Number(record.readBigUInt64LE(40));
    offset = Number(record.readBigUInt64LE(48));
  }
  if (offset + length > size) throw broken(archive, "its directory lies outside it");
  const directory = readAt(fd, offset, length, archive);
  /** @type {Entry[]} */
  const entries = [];
  for (let at = 0; entries.length < count; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50)
      throw broken(archive, "a directory entry");
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const next = at + 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw broken(archive, "a directory entry");
    const entry = {
      name: directory.toString("utf8", at + 46, at + 46 + nameLength),
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      packed: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      offset: directory.readUInt32LE(at + 42),
      mode: directory.readUInt32LE(at + 38) >>> 16,
    };
    widen(entry, directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength));
    if (entry.offset + entry.packed > size) throw broken(archive, `${entry.name} lies outside it`);
    entries.push(entry);
    at = next;
  }
  return entries;
}

/** Sizes beyond 32 bits are in an extra field, only those that did not fit. @param {Entry} entry @param {Buffer} extra */
function widen(entry, extra) {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let from = at + 4;
    for (const key of /** @type {const} */ (["size", "packed", "offset"])) {
      if (entry[key] !== 0xffffffff || from + 8 > extra.length) continue;
      entry[key] = Number(extra.readBigUInt64LE(from));
      from += 8;
    }
  }
}

/** The data starts after a second header whose lengths may differ from the directory's. @param {number} fd @param {string} archive @param {Entry} entry */
function dataStart(fd, archive, entry) {
  const header = readAt(fd, entry.offset, 30, archive);
  if (header.readUInt32LE(0) !== 0x04034b50) throw broken(archive, `${entry.name} has no header`);
  return entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
}

/** @param {number} fd @param {string} archive @param {Entry} entry */
function readSmall(fd, archive, entry) {
  if (entry.method !== 0 || entry.packed > 4096) throw broken(archive, `the link ${entry.name}`);
  return readAt(fd, dataStart(fd, archive, entry), entry.packed, archive).toString("utf8");
}

/** @param {number} fd @param {string} archive @param {Entry} entry @param {string} target */
async function extract(fd, archive, entry, target) {
  const start = dataStart(fd, archive, entry);
  if (entry.method !== 0 && entry.method !== 8)
    throw broken(archive, `${entry.name} is packed by method ${entry.method}`);
  let crc = 0;
  let size = 0;
  const check = new Transform({
    transform(chunk, _encoding, done) {
      crc = crc32(chunk, crc);
      size += chunk.length;
      // A tiny archive can unpack to terabytes: never past what the directory promised.
      done(size > entry.size ? broken(archive, `${entry.name} is larger than stated`) : null, chunk);
    },
  });
  const output = createWriteStream(target);
  if (entry.packed === 0) {
    output.end();
    await new Promise((done, fail) => output.on("finish", () => done(undefined)).on("error", fail));
  } else {
    const input = createReadStream(archive, { start, end: start + entry.packed - 1 });
    try {
      if (entry.method === 8) await pipeline(input, createInflateRaw(), check, output);
      else await pipeline(input, check, output);
    } catch (error) {
      if (error instanceof SetupError) throw error;
      throw broken(archive, `${entry.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  if (size !== entry.size || crc !== entry.crc) throw broken(archive, `${entry.name} does not match its checksum`);
  const permissions = entry.mode & 0o777;
  if (permissions) chmodSync(target, permissions | 0o600);
}
