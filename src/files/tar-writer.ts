/** Writing tar files (ustar, with a pax header where a name needs one). The same members give the same bytes. */
import { blockSize } from "./tar.js";
import { WholeFile } from "./write-whole.js";

/** Gathered before it is written. */
const bufferBytes = 1 << 20;

/** A tar file that is there whole or not at all, see `WholeFile`. Throws DiskError where it cannot be written. */
export class TarWriter {
  readonly path: string;
  readonly #file: WholeFile;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #written = 0;

  constructor(path: string) {
    this.path = path;
    this.#file = new WholeFile(path);
  }

  /** Bytes so far. */
  get size(): number {
    return this.#written + this.#pendingBytes;
  }

  /** Appends a file. The name is taken as it is; see `TarFile` for names that are refused when read. */
  add(name: string, content: Uint8Array): void {
    if (!fitsUstar(name, content.length)) {
      const records = Buffer.from(paxRecord("path", name));
      this.#push(header("PaxHeader", records.length, "x"), records);
    }
    this.#push(header(name, content.length, "0"), content);
  }

  /** Ends the archive and gives the file its name. */
  finish(): void {
    this.#push(new Uint8Array(2 * blockSize), new Uint8Array(0));
    this.#flush();
    this.#file.finish();
  }

  /** Leaves nothing behind. */
  abandon(): void {
    this.#file.abandon();
  }

  #push(head: Uint8Array, content: Uint8Array): void {
    const padding = new Uint8Array((blockSize - (content.length % blockSize)) % blockSize);
    this.#pending.push(head, content, padding);
    this.#pendingBytes += head.length + content.length + padding.length;
    if (this.#pendingBytes >= bufferBytes) this.#flush();
  }

  #flush(): void {
    const data = Buffer.concat(this.#pending);
    this.#file.write(data);
    this.#written += data.length;
    [this.#pending, this.#pendingBytes] = [[], 0];
  }
}

function fitsUstar(name: string, size: number): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what a ustar name may hold
  return name.length <= 100 && /^[\x01-\x7f]*$/.test(name) && size < 8 ** 11;
}

function header(name: string, size: number, type: string): Uint8Array {
  const block = Buffer.alloc(blockSize);
  block.write(name.slice(0, 100), 0, 100, "latin1");
  block.write("0000644\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1"); // user and group
  block.write("0000000\0", 116, "latin1");
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  block.write("00000000000\0", 136, "latin1"); // no date: the same members, the same bytes
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** `LENGTH key=value\n`, where LENGTH counts its own digits too. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length++;
  return `${length}${rest}`;
}
