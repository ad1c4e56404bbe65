/** Writes label files as `label-file.ts` reads them back, whole or not at all. */
import { WholeFile, writeWhole } from "../files/write-whole.js";

/** Gathered before it is written. */
const bufferChars = 1 << 16;

/** Rows `file,label,confidence`, any number: `finish`, and `abandon` in any case. Throws DiskError where they cannot be written. */
export class LabelWriter {
  readonly #file: WholeFile;
  #text = "file,label,confidence\n";

  constructor(path: string) {
    this.#file = new WholeFile(path);
  }

  /** `copies`: how often the row is there. */
  add(name: string, label: string, confidence: number, copies = 1): void {
    this.#text += `${csvField(name)},${csvField(label)},${confidence.toFixed(6)}\n`.repeat(copies);
    if (this.#text.length > bufferChars) this.#flush();
  }

  #flush(): void {
    this.#file.write(this.#text);
    this.#text = "";
  }

  finish(): void {
    this.#flush();
    this.#file.finish();
  }

  abandon(): void {
    this.#file.abandon();
  }
}

/** Lines `name label`; CSV where a class has blanks or a name could be mistaken. */
export function writeLabelList(path: string, rows: readonly (readonly [name: string, label: string])[]): void {
  const plain = rows.every(([name, label]) => !/[\s,;"]/.test(label) && !/[,;"\t\r\n]|^\s|\s$/.test(name));
  const lines = plain
    ? rows.map(([name, label]) => `${name} ${label}`)
    : ["file,label", ...rows.map(([name, label]) => `${csvField(name)},${csvField(label)}`)];
  writeWhole(path, `${lines.join("\n")}\n`);
}

/** A CSV field as in RFC 4180: in quotes where it holds a comma, a quote, a line end or outer blanks. */
export function csvField(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The same for tables that people open with a spreadsheet: what that would take for a formula gets a "'" in front. */
export function spreadsheetField(text: string): string {
  return csvField(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
}
