// Event files read back by a reader that shares nothing with the writer: its own checksum, bit by bit, and its own protocol buffers.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { crc32c, openEventFile } from "../../src/files/writers/event-file.js";
import { readEvents } from "../../src/run/index.js";
import { describeEngine } from "../support/engine.js";
import { configure, continued, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

/** Long division by the polynomial x^32 + ... (0x1EDC6F41), the most significant bit first, on mirrored bytes. */
function slowCrc(bytes: Uint8Array): number {
  const mirror = (value: bigint, bits: number) =>
    BigInt(`0b${value.toString(2).padStart(bits, "0").split("").reverse().join("")}`);
  let rest = 0xffffffffn;
  for (const byte of bytes) {
    rest ^= mirror(BigInt(byte), 8) << 24n;
    for (let bit = 0; bit < 8; bit++) {
      rest <<= 1n;
      if (rest >> 32n) rest ^= 0x11edc6f41n;
    }
  }
  return Number(mirror(rest ^ 0xffffffffn, 32));
}

type Field = number | Buffer;

/** Fields by number, each with all its values. */
function fieldsOf(bytes: Buffer): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const varint = () => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, wire] = [tag >> 3, tag & 7];
    let value: Field;
    if (wire === 0) value = varint();
    else {
      const length = wire === 2 ? varint() : wire === 1 ? 8 : 4;
      value = bytes.subarray(at, at + length);
      at += length;
      if (wire === 1) value = value.readDoubleLE();
      if (wire === 5) value = (value as Buffer).readFloatLE();
    }
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

interface Read {
  readonly step: number;
  readonly scalars: Record<string, number>;
  readonly version: string | undefined;
  readonly starts: boolean;
}

/** Throws where a checksum is wrong or the file ends in the middle. */
function readEventFile(path: string): Read[] {
  const bytes = readFileSync(path);
  const unmask = (value: number) => {
    const moved = (value - 0xa282ead8) >>> 0;
    return ((moved << 15) | (moved >>> 17)) >>> 0;
  };
  const events: Read[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmask(bytes.readUInt32LE(at + 8))).toBe(slowCrc(bytes.subarray(at, at + 8)));
    const content = bytes.subarray(at + 12, at + 12 + length);
    expect(unmask(bytes.readUInt32LE(at + 12 + length))).toBe(slowCrc(content));
    at += length + 16;
    const event = fieldsOf(content);
    const summary = event.get(5)?.[0] as Buffer | undefined;
    const values = (summary ? (fieldsOf(summary).get(1) ?? []) : []).map((value) => fieldsOf(value as Buffer));
    events.push({
      step: (event.get(2)?.[0] as number | undefined) ?? 0,
      scalars: Object.fromEntries(values.map((value) => [String(value.get(1)![0]), value.get(2)![0] as number])),
      version: event.get(3)?.[0]?.toString(),
      starts: event.has(7),
    });
  }
  return events;
}

describe("event files", () => {
  test("crc32c has the published values", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa); // RFC 3720, B.4
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(slowCrc(Buffer.from("123456789"))).toBe(0xe3069283);
  });

  test("an event is, byte by byte, what the format's description says", () => {
    const path = join(folder, "bytes");
    openEventFile(path, 1).close();
    const hex = readFileSync(path).toString("hex");
    // length 24, then 1: double 1.0, 3: "brain.Event:2"
    expect(hex.slice(0, 16)).toBe("1800000000000000");
    expect(hex.slice(24, 24 + 48)).toBe(`09000000000000f03f1a0d${Buffer.from("brain.Event:2").toString("hex")}`);
  });

  test("steps beyond 2^31, names in any script, values that are not finite", () => {
    const path = join(folder, "odd");
    const file = openEventFile(path, 1);
    const scalars = { "Fehler, größer": Number.NaN, b: Number.POSITIVE_INFINITY, c: -0.25 };
    file.add({ seconds: 2, step: 2 ** 40 + 5, scalars });
    file.close();
    expect(readEventFile(path)[1]).toMatchObject({ step: 2 ** 40 + 5, scalars });
  });

  test("the reader here does find a fault", () => {
    const path = join(folder, "fault");
    openEventFile(path, 1).close();
    const bytes = readFileSync(path);
    bytes[20]! ^= 1;
    writeFileSync(path, bytes);
    expect(() => readEventFile(path)).toThrow();
  });
});

describeEngine("train --tensorboard", () => {
  test("writes what metrics.jsonl has, to the precision of a float; a run that goes on starts a file that says so", async () => {
    const out = join(folder, "run");
    const given = {
      method: "mean-teacher",
      steps: 4,
      evalEvery: 2,
      checkpointEvery: 2,
      tensorboard: true,
      seen: 0,
      "method.emaDecay": 0.99,
    };
    await trainToEnd(configure(out, given), 3);
    await trainToEnd(continued(out));
    const files = readdirSync(out)
      .filter((name) => name.startsWith("events.out.tfevents."))
      .sort();
    expect(files.map((name) => name.split("-")[1])).toEqual(["0", "3"]);
    const [first, second] = files.map((name) => readEventFile(join(out, name)));
    expect(first![0]!.version).toBe("brain.Event:2");
    expect(second![1]).toMatchObject({ starts: true, step: 4 });
    const written = [...first!, ...second!].filter(({ scalars }) => Object.keys(scalars).length > 0);
    const logged = readEvents(join(out, "metrics.jsonl")).filter(
      ({ type }) => type === "step" || type === "evaluation",
    );
    expect(written.map(({ step }) => step)).toEqual(logged.map(({ step }) => step));
    logged.forEach((event, i) => {
      const { scalars } = written[i]!;
      if (event.type === "step") {
        const metrics = event.metrics as Record<string, number>;
        for (const [name, value] of Object.entries(metrics)) expect(scalars[`train/${name}`]).toBe(Math.fround(value));
        expect(scalars.learningRate).toBe(Math.fround(event.learningRate as number));
        expect(scalars.emaDecay).toBe(Math.fround(event.emaDecay as number));
        // "oneMinusOneOverT": 1 - 1 / (t + 1) in a run this young, also after it went on
        expect(event.emaDecay).toBeCloseTo(1 - 1 / ((event.step ?? 0) + 1), 12);
      } else {
        const { teacher, student } = event.test as Record<string, { error: number; loss: number }>;
        expect(scalars["error/test/teacher"]).toBe(Math.fround(teacher!.error));
        expect(scalars["loss/test/student"]).toBe(Math.fround(student!.loss));
        expect(scalars).not.toHaveProperty("n/test/student");
      }
    });
  });

  test("is off unless asked for", async () => {
    const out = join(folder, "off");
    await trainToEnd(configure(out, { method: "supervised", steps: 1, seen: 0 }));
    expect(readdirSync(out).filter((name) => name.includes("tfevents"))).toEqual([]);
  });
});
