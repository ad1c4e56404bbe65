/** NumPy's .npy, version 1.0: a header in Python's notation, then the numbers row-major. */
import { DataError } from "../errors.js";
import { type WholeFile, writeWhole } from "./write-whole.js";

/** Writes a float32 matrix given row by row. Throws DiskError where it cannot be written, DataError where a row has another length. */
export function writeNpy(path: string, count: number, size: number, rows: Iterable<Float32Array>): void {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${count}, ${size}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, " ");
  header.write("\x93NUMPY\x01\x00", "latin1");
  header.writeUInt16LE(length, 8);
  header.write(text, 10, "latin1");
  header[header.length - 1] = 10;
  writeWhole(path, (file: WholeFile) => {
    file.write(header);
    for (const row of rows) {
      if (row.length !== size) throw new DataError(`${path}: a row of ${row.length} numbers among rows of ${size}`);
      file.write(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
    }
  });
}
