/** Small shards for tests: raw pictures of one gray level a number. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePixmap } from "../../src/files/pixmap.js";
import { TarWriter } from "../../src/files/tar-writer.js";

export const side = 4;

export type Members = Readonly<Record<string, Uint8Array | string>>;

/** Writes a shard of members by name. */
export function writeShard(path: string, members: Members): string {
  const tar = new TarWriter(path);
  for (const [name, content] of Object.entries(members)) {
    tar.add(name, typeof content === "string" ? Buffer.from(content) : content);
  }
  tar.finish();
  return path;
}

/** A gray picture whose first two pixels say a number and whose others are its last byte. */
export function numbered(number: number): Uint8Array {
  const pixels = new Uint8Array(side * side).fill(number % 256);
  pixels[0] = number >> 8;
  return encodePixmap({ width: side, height: side, channels: 1, pixels });
}

/** The number that `numbered` wrote. */
export function numberOf(pixels: Uint8Array): number {
  return pixels[0]! * 256 + pixels[1]!;
}

/** Shards of so many pictures each, numbered through, in a temporary folder. */
export function poolFolder(counts: readonly number[]): {
  readonly dir: string;
  readonly paths: string[];
  remove(): void;
} {
  const dir = mkdtempSync(join(tmpdir(), "fewlabels-shards-"));
  let number = 0;
  const paths = counts.map((count, i) => {
    const members = Array.from({ length: count }, () => [`k${number}.pgm`, numbered(number++)] as const);
    return writeShard(join(dir, `pool-${i}.tar`), Object.fromEntries(members));
  });
  return { dir, paths, remove: () => rmSync(dir, { recursive: true }) };
}
