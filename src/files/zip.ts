/** Reads ZIP archives in memory, with 64-bit sizes; entries are stored or deflated. */
import { inflateRawSync } from "node:zlib";
import { DataError } from "../errors.js";

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const NOT_HERE = 0xffffffff;
/** Entries a table of contents may have. */
const MAX_ENTRIES = 200_000;

export interface ZipEntry {
  readonly name: string;
  /** Unpacked. */
  readonly size: number;
  /** Its content; a stored entry is a view of the archive. Throws DataError. */
  read(): Uint8Array;
}

/** Whether a file begins like a ZIP archive. */
export function isZip(file: Uint8Array): boolean {
  return file.length >= 4 && new DataView(file.buffer, file.byteOffset).getUint32(0, true) === LOCAL;
}

/** The entries by name. Throws DataError where the archive is cut off or damaged; `who` names it. */
export function openZip(file: Uint8Array, who: string): Map<string, ZipEntry> {
  const fail = (problem: string): never => {
    throw new DataError(`${who}: not a complete ZIP archive: ${problem}`);
  };
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const within = (at: number, length: number, what: string): number => {
    if (!Number.isSafeInteger(at) || at < 0 || length < 0 || at + length > file.length)
      fail(`${what} lies outside the file`);
    return at;
  };
  const u16 = (at: number) => view.getUint16(within(at, 2, "a field"), true);
  const u32 = (at: number) => view.getUint32(within(at, 4, "a field"), true);
  const u64 = (at: number) => Number(view.getBigUint64(within(at, 8, "a field"), true));

  const end = endRecord(view);
  if (end === undefined) return fail("it has no table of contents (cut off?)");
  let [entries, start] = [u16(end + 10), u32(end + 16)];
  if (end >= 20 && u32(end - 20) === LOCATOR64) {
    const end64 = u64(end - 20 + 8);
    if (u32(end64) !== END64) fail("its 64-bit table of contents is not where it should be");
    [entries, start] = [u64(end64 + 32), u64(end64 + 48)];
  }
  if (entries > MAX_ENTRIES) fail(`it claims ${entries} entries`);

  const found = new Map<string, ZipEntry>();
  for (let i = 0, at = start; i < entries; i++) {
    if (u32(at) !== ENTRY) fail("its table of contents is damaged");
    const [method, nameLength, extraLength] = [u16(at + 10), u16(at + 28), u16(at + 30)];
    let [packed, size, local] = [u32(at + 20), u32(at + 24), u32(at + 42)];
    const nameAt = within(at + 46, nameLength, "a name");
    const name = Buffer.from(file.buffer, file.byteOffset + nameAt, nameLength).toString("utf8");
    // Sizes of 64 bits, in this order, each only where its place is full.
    for (let extra = nameAt + nameLength; extra < nameAt + nameLength + extraLength; extra += 4 + u16(extra + 2)) {
      if (u16(extra) !== 1) continue;
      let field = extra + 4;
      const next = () => {
        field += 8;
        return u64(field - 8);
      };
      if (size === NOT_HERE) size = next();
      if (packed === NOT_HERE) packed = next();
      if (local === NOT_HERE) local = next();
    }
    at = nameAt + nameLength + extraLength + u16(at + 32);
    const [where, length, full] = [local, packed, size];
    found.set(name, {
      name,
      size: full,
      read() {
        if (u32(where) !== LOCAL) fail(`${name} is not where the table of contents says`);
        const from = within(where + 30 + u16(where + 26) + u16(where + 28), length, name);
        const bytes = new Uint8Array(file.buffer, file.byteOffset + from, length);
        if (method === 0 && length === full) return bytes;
        if (method !== 8) return fail(`${name} is packed by method ${method}`);
        try {
          const unpacked = inflateRawSync(bytes, { maxOutputLength: Math.max(1, full) });
          return unpacked.length === full
            ? Uint8Array.from(unpacked)
            : fail(`${name} has ${unpacked.length} bytes instead of ${full}`);
        } catch (error) {
          if (error instanceof DataError) throw error;
          return fail(`${name} cannot be unpacked (${(error as Error).message})`);
        }
      },
    });
  }
  return found;
}

/** Where the last record begins: in the last 64 KiB, behind it only a comment. */
function endRecord(view: DataView): number | undefined {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - 65_535); at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  return undefined;
}
