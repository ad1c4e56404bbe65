/**
 * Names of files that are not UTF-8 (old disks, archives of Windows): Node would put a replacement character in, and the file could not be
 * opened any more. Here such bytes become lone surrogates U+DC80 .. U+DCFF (as in Python), which `fsPath` turns back.
 */
import { readdirSync } from "node:fs";

const lone = /[\uDC80-\uDCFF]/;

/** The names in a folder, every byte of them kept. Throws what the system says. */
export function namesIn(folder: string): string[] {
  return readdirSync(fsPath(folder), { encoding: "buffer" }).map(nameOf);
}

/** Names that come one a line (`find`, `ls`), every byte of them kept; blank lines are passed over. */
export async function* nameLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  const names = function* (lines: Buffer) {
    for (let at = 0; at < lines.length; ) {
      const end = lines.indexOf(10, at);
      const to = end < 0 ? lines.length : end;
      const line = nameOf(lines.subarray(at, to)).replace(/\r$/, "");
      if (line.trim() !== "") yield line;
      at = to + 1;
    }
  };
  for await (const chunk of chunks) {
    const whole = chunk.lastIndexOf(10) + 1;
    if (whole > 0) yield* names(Buffer.concat([rest, chunk.subarray(0, whole)]));
    rest = whole > 0 ? chunk.subarray(whole) : Buffer.concat([rest, chunk]);
  }
  yield* names(rest);
}

function nameOf(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\uFFFD") || Buffer.from(text, "utf8").equals(bytes)) return text;
  return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join("");
}

/** A path as Node's file functions take it. */
export function fsPath(path: string): string | Buffer {
  if (!lone.test(path)) return path;
  const pieces = path.split(/([\uDC80-\uDCFF]+)/);
  return Buffer.concat(
    pieces.map((piece, i) =>
      i % 2 === 0 ? Buffer.from(piece, "utf8") : Buffer.from(Array.from(piece, (c) => c.charCodeAt(0) - 0xdc00)),
    ),
  );
}

/** A name or path as people read it: bytes that are not UTF-8 as in Latin-1, which is what nearly all of them are. */
export function shownName(name: string): string {
  return lone.test(name)
    ? name.replace(/[\uDC80-\uDCFF]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xdc00))
    : name;
}

/** The same on one line, as one field among tabs: line breaks, tabs and the like as "\n", "\t", "\x1b". */
export function lineName(name: string): string {
  const escaped: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  return shownName(name).replace(
    /\p{Cc}/gu,
    (c) => escaped[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
