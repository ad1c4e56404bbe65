/** Takes the wanted members out of a tar.gz archive. No name in the archive decides where anything is written. */
import { createReadStream, createWriteStream, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { Transform, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { DataError } from "../../errors.js";
import { bytes } from "../../files/packed.js";
import { TarFile, type TarMember } from "../../files/tar.js";
import { besidePath, putInPlace } from "../../files/write-whole.js";
import { md5OfFile } from "./fetch-file.js";
import type { OfficialFile } from "./official-files.js";

/** What an archive may hold besides the members that are wanted: a page or two of text. */
const slackBytes = 8 << 20;

/**
 * Writes those members of `archive` (named `<anything>/<name>` in it) into `folder`, each beside and renamed. Throws DataError where
 * the archive is damaged, holds more than it may, or lacks a member of the right size and checksum.
 */
export async function unpackArchive(
  archive: string,
  folder: string,
  members: readonly OfficialFile[],
  signal?: AbortSignal,
): Promise<void> {
  const plain = join(folder, `${basename(archive).replace(/\.gz$/, "")}.part`);
  try {
    const most = members.reduce((sum, member) => sum + member.bytes, slackBytes);
    await gunzip(archive, plain, most, signal);
    const tar = await TarFile.open(plain);
    try {
      const found = new Map<string, TarMember>();
      for (let member = await tar.next(); member; member = await tar.next()) found.set(basename(member.name), member);
      for (const member of members) await takeOut(archive, plain, found.get(member.name), member, folder, signal);
    } finally {
      await tar.close();
    }
  } catch (error) {
    if (error instanceof DataError || signal?.aborted) throw error;
    throw new DataError(`${archive}: cannot unpack it into ${folder}: ${(error as Error).message}`);
  } finally {
    rmSync(plain, { force: true });
  }
}

async function takeOut(
  archive: string,
  plain: string,
  found: TarMember | undefined,
  { name, bytes: size, md5 }: OfficialFile,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (found?.size !== size) {
    throw new DataError(
      `${archive}: expected ${name} of ${bytes(size)} in it, found ${found ? bytes(found.size) : "no such file"}`,
    );
  }
  const path = join(folder, name);
  const part = besidePath(path);
  try {
    await pipeline(
      createReadStream(plain, { start: found.start, end: found.start + size - 1 }),
      createWriteStream(part),
      { signal },
    );
    const got = md5 === undefined ? undefined : await md5OfFile(part, signal);
    if (got !== md5) throw new DataError(`${archive}: ${name} in it has md5 ${got}, expected ${md5}`);
    putInPlace(part, path);
  } finally {
    rmSync(part, { force: true });
  }
}

async function gunzip(archive: string, to: string, most: number, signal: AbortSignal | undefined): Promise<void> {
  let size = 0;
  const limit = new Transform({
    transform(piece: Buffer, _encoding, done: TransformCallback) {
      size += piece.length;
      if (size > most) done(new DataError(`${archive}: unpacks to more than ${bytes(most)}, which it must not`));
      else done(null, piece);
    },
  });
  await pipeline(createReadStream(archive), createGunzip(), limit, createWriteStream(to), { signal });
}
