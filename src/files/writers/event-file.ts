/**
 * TensorBoard's event files: records with checksums (TFRecord), each a protocol buffer `Event` of a step and some scalars. Written by hand: four
 * kinds of fields and one checksum. Format: tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { writing } from "../write-whole.js";

export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly seconds: number;
  readonly step: number;
  /** By tag; none: a session starts at this step, and what a file before this one says of later steps is void. */
  readonly scalars?: Readonly<Record<string, number>>;
}

export interface EventFile {
  /** Throws DiskError where it cannot be written. */
  add(event: ScalarEvent): void;
  close(): void;
}

/** Makes the file. Throws DiskError where it cannot be written. */
export function openEventFile(path: string, seconds: number): EventFile {
  const file = writing(path, () => openSync(path, "w"));
  const append = (event: Uint8Array) => writing(path, () => writeSync(file, record(event)));
  append(Buffer.concat([double(1, seconds), text(3, "brain.Event:2")]));
  return {
    add({ seconds: at, step, scalars }) {
      const values = Object.entries(scalars ?? {}).map(([tag, value]) =>
        message(1, Buffer.concat([text(1, tag), float(2, value)])),
      );
      const what = scalars ? message(5, Buffer.concat(values)) : message(7, varintField(1, 1)); // SessionLog, status START
      append(Buffer.concat([double(1, at), varintField(2, step), what]));
    },
    close: () => closeSync(file),
  };
}

/** Length, its checksum, content, its checksum; little-endian. */
function record(content: Uint8Array): Buffer {
  const out = Buffer.alloc(content.length + 16);
  out.writeBigUInt64LE(BigInt(content.length), 0);
  out.writeUInt32LE(masked(crc32c(out.subarray(0, 8))), 8);
  out.set(content, 12);
  out.writeUInt32LE(masked(crc32c(content)), content.length + 12);
  return out;
}

/** Checksums of data that themselves hold checksums are rotated and moved: record_writer.h. */
const masked = (crc: number) => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

/** Castagnoli's polynomial, its bits mirrored. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

/** CRC-32C, RFC 3720, B.4. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

const key = (field: number, wire: 0 | 1 | 2 | 5) => varint(8 * field + wire);
const varintField = (field: number, value: number) => Buffer.concat([key(field, 0), varint(value)]);
const message = (field: number, content: Uint8Array) => Buffer.concat([key(field, 2), varint(content.length), content]);
const text = (field: number, value: string) => message(field, Buffer.from(value, "utf8"));

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, 5), bytes]);
}
