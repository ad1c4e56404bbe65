/**
 * The two halves of protobuf that ONNX needs, by hand (docs/decisions): fields of varints, 32-bit floats, and bytes with
 * a length. Messages are lists of chunks, so that weights are not copied into them.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
import { DataError } from "../../errors.js";

export type Chunks = readonly Uint8Array[];

const utf8 = new TextEncoder();

/** 0 .. 2^53 - 1, and negative int64 in ten bytes, as protobuf has them. */
function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Uint8Array.from(out);
}

const tag = (field: number, wire: number) => varint(field * 8 + wire);

export function intField(field: number, value: number): Chunks {
  return [tag(field, 0), varint(value)];
}

export function floatField(field: number, value: number): Chunks {
  return [tag(field, 5), new Uint8Array(Float32Array.of(value).buffer)];
}

export function bytesField(field: number, bytes: Uint8Array): Chunks {
  return [tag(field, 2), varint(bytes.length), bytes];
}

export function textField(field: number, text: string): Chunks {
  return bytesField(field, utf8.encode(text));
}

/** A message inside another one. */
export function messageField(field: number, ...parts: readonly Chunks[]): Chunks {
  const chunks = parts.flat();
  return [tag(field, 2), varint(sizeOf(chunks)), ...chunks];
}

export function sizeOf(chunks: Chunks): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

export interface Field {
  readonly field: number;
  /** Of a varint (as int64) or a float. */
  readonly number: number;
  /** Of a field with a length; else empty. A view. */
  readonly bytes: Uint8Array;
}

/** The fields of a message in order. Throws DataError where it is cut short or no protobuf. */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const need = (bytes: number) => {
    if (bytes < 0 || at + bytes > message.length) throw new DataError("the protobuf message is cut short");
  };
  const readVarint = (): number => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      need(1);
      const byte = message[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
    throw new DataError("a number in the protobuf message never ends");
  };
  while (at < message.length) {
    const key = readVarint();
    const [field, wire] = [Math.floor(key / 8), key & 7];
    if (wire === 0) yield { field, number: readVarint(), bytes: new Uint8Array(0) };
    else if (wire === 2) {
      const length = readVarint();
      need(length);
      yield { field, number: 0, bytes: message.subarray(at, at + length) };
      at += length;
    } else if (wire === 5 || wire === 1) {
      const length = wire === 5 ? 4 : 8;
      need(length);
      yield {
        field,
        number: wire === 5 ? view.getFloat32(at, true) : view.getFloat64(at, true),
        bytes: new Uint8Array(0),
      };
      at += length;
    } else throw new DataError(`the protobuf message has a field of the unknown kind ${wire}`);
  }
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Packed or single varints. */
export function varintsOf({ number, bytes }: Field): number[] {
  if (bytes.length === 0) return [number];
  const numbers: number[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      numbers.push(Number(BigInt.asIntN(64, value)));
      [value, shift] = [0n, 0n];
    }
  }
  return numbers;
}
