/** The binary layout of CIFAR-10 and CIFAR-100: records of label bytes, then 3,072 bytes of pixels, plane by plane. */
import { DataError } from "../errors.js";
import type { ImageSet } from "../images/image-set.js";

const imageBytes = 3 * 32 * 32;

export interface RecordLayout {
  /** Label bytes in front of each image: 1 (CIFAR-10) or 2 (CIFAR-100: coarse, fine). */
  readonly labelBytes: number;
  /** Which of them is read. */
  readonly labelByte: number;
  readonly numClasses: number;
}

/** Reads whole files of records into one set, in order. Pure; throws DataError naming the file and the record. */
export function parseCifarRecords(
  files: readonly { readonly content: Uint8Array; readonly file: string }[],
  { labelBytes, labelByte, numClasses }: RecordLayout,
): ImageSet {
  const recordBytes = labelBytes + imageBytes;
  for (const { content, file } of files) {
    if (content.length % recordBytes !== 0 || content.length === 0) {
      throw new DataError(`${file}: expected records of ${recordBytes} bytes, found ${content.length} bytes in all`);
    }
  }
  const count = files.reduce((sum, { content }) => sum + content.length / recordBytes, 0);
  const pixels = new Uint8Array(count * imageBytes);
  const labels = new Int32Array(count);
  let image = 0;
  for (const { content, file } of files) {
    for (let at = 0; at < content.length; at += recordBytes, image++) {
      const label = content[at + labelByte]!;
      if (label >= numClasses) {
        throw new DataError(
          `${file}: record ${at / recordBytes} has label ${label}, expected 0..${numClasses - 1}. This is not the binary version, or it is damaged`,
        );
      }
      labels[image] = label;
      pixels.set(content.subarray(at + labelBytes, at + recordBytes), image * imageBytes);
    }
  }
  return { pixels, count, channels: 3, height: 32, width: 32, labels };
}
