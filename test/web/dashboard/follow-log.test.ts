// Curves of a log: the numbers of JSON.parse, read on as it grows, anew when it was cut, whatever is in its lines.
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SeriesHeader } from "../../../src/web/dashboard/api.js";
import { followLog } from "../../../src/web/dashboard/follow-log.js";
import { logFollowers, packSeries } from "../../../src/web/dashboard/series.js";
import { patternReader } from "../../../src/web/dashboard/step-pattern.js";
import { evaluationLine, stepLine } from "../../support/fake-run.js";
import { folderOfThisFile } from "../../support/train-run.js";

const folder = folderOfThisFile();
let count = 0;
const newLog = (text: string) => {
  const path = join(folder, `${count++}.jsonl`);
  writeFileSync(path, text);
  return path;
};

describe("followLog", () => {
  test("gives the numbers of the lines, of steps and evaluations", async () => {
    const log = followLog(
      newLog(stepLine(10, 0.5) + stepLine(20, 1.25e-7) + evaluationLine(20, 30, 25) + stepLine(30, 3)),
    );
    await log.read(["classification", "test.teacher.error", "nothing"]);
    expect(log.columns.get("classification")).toEqual({ steps: [10, 20, 30], values: [0.5, 1.25e-7, 3] });
    expect(log.columns.get("test.teacher.error")).toEqual({ steps: [20], values: [25] });
    expect(log.columns.has("consistency")).toBe(false);
    expect([...log.names]).toEqual(
      expect.arrayContaining(["consistency", "weight", "learningRate", "test.student.loss"]),
    );
  });

  test("reads on from where it was, a line only when it is whole", async () => {
    const path = newLog(stepLine(10, 1));
    const log = followLog(path);
    await log.read(["classification"]);
    const whole = stepLine(20, 2);
    appendFileSync(path, whole.slice(0, 50));
    await log.read(["classification"]);
    expect(log.columns.get("classification")!.steps).toEqual([10]);
    appendFileSync(path, whole.slice(50));
    await log.read(["classification"]);
    expect(log.columns.get("classification")).toEqual({ steps: [10, 20], values: [1, 2] });
    expect(log.generation).toBe(1);
  });

  test.each([
    ["cut", (path: string) => truncateSync(path, stepLine(10, 1).length), [1]],
    [
      "cut and grown beyond where it was",
      (path: string) => {
        truncateSync(path, stepLine(10, 1).length);
        appendFileSync(path, stepLine(20, 7) + stepLine(30, 8) + stepLine(40, 9));
      },
      [1, 7, 8, 9],
    ],
    [
      "replaced by another of the same length",
      (path: string) => {
        const text = readFileSync(path, "utf8").replaceAll('"classification":2', '"classification":5');
        rmSync(path);
        writeFileSync(path, text);
      },
      [1, 5],
    ],
    ["gone", (path: string) => rmSync(path), []],
  ])("begins anew where the log was %s", async (_, change, values) => {
    const path = newLog(stepLine(10, 1) + stepLine(20, 2));
    const log = followLog(path);
    await log.read(["classification"]);
    change(path);
    await log.read(["classification"]);
    expect(log.columns.get("classification")?.values ?? []).toEqual(values);
    expect(log.generation).toBe(2);
  });

  test("before anything is asked for, tells the names in the beginning and the end of a long log", async () => {
    const path = newLog(Array.from({ length: 2000 }, (_, i) => stepLine(i + 1)).join("") + evaluationLine(2000, 3, 4));
    const log = followLog(path);
    await log.read([]);
    expect([...log.names]).toEqual(expect.arrayContaining(["classification", "learningRate", "test.teacher.error"]));
    expect(log.columns.size).toBe(0);
    await log.read(["weight"]);
    expect(log.columns.get("weight")!.steps).toHaveLength(2000);
  });

  test("a name that is asked for later is there from the start, and nothing else is read or numbered anew", async () => {
    const log = followLog(newLog(stepLine(10, 1) + stepLine(20, 2)));
    await log.read(["classification"]);
    await Promise.all([log.read(["weight"]), log.read(["consistency"])]);
    expect(log.columns.get("weight")!.steps).toEqual([10, 20]);
    expect(log.columns.get("classification")!.steps).toEqual([10, 20]);
    expect(log.columns.get("consistency")!.values).toEqual([0.1, 0.2]);
    expect(log.generation).toBe(1);
  });

  test("a log that is not there yet is empty, then it is not", async () => {
    const path = join(folder, "later.jsonl");
    const log = followLog(path);
    await log.read(["weight"]);
    expect(log.columns.size).toBe(0);
    writeFileSync(path, stepLine(10));
    await log.read(["weight"]);
    expect(log.columns.get("weight")!.steps).toEqual([10]);
  });
});

describe("patternReader", () => {
  const wanted = new Set(["a", "b", "learningRate"]);
  const line = (fields: object) => `${JSON.stringify({ time: "t", type: "step", ...fields })}\n`;

  test.each<[string, object, [string, number | null][] | undefined]>([
    [
      "another number",
      { step: 2, metrics: { a: -1.5e-9, b: 3 }, learningRate: 1 },
      [
        ["a", -1.5e-9],
        ["b", 3],
        ["learningRate", 1],
      ],
    ],
    [
      "null, as NaN is written",
      { step: 2, metrics: { a: null, b: 3 }, learningRate: 1 },
      [
        ["a", null],
        ["b", 3],
        ["learningRate", 1],
      ],
    ],
    [
      "a metric more",
      { step: 2, metrics: { a: 1, c: 2, b: 3 }, learningRate: 1 },
      [
        ["a", 1],
        ["b", 3],
        ["learningRate", 1],
      ],
    ],
    [
      "a metric less",
      { step: 2, metrics: { b: 3 }, learningRate: 1 },
      [
        ["b", 3],
        ["learningRate", 1],
      ],
    ],
    [
      "a text with quotes and braces",
      { step: 2, metrics: { a: 1, b: 2 }, learningRate: 1, note: '"}{\\' },
      [
        ["a", 1],
        ["b", 2],
        ["learningRate", 1],
      ],
    ],
    ["a list", { step: 2, metrics: { a: 1 }, list: [1, [2]] }, [["a", 1]]],
    ["the step behind the metrics", { metrics: { a: 1 }, step: 2 }, [["a", 1]]],
    ["a text for a number", { step: 2, metrics: { a: "1" } }, undefined],
    ["no metrics", { step: 2 }, undefined],
    ["a metric of a name like another field's", { step: 2, metrics: { step: 9, a: 4 }, phases: { a: 5 } }, [["a", 4]]],
    ["a name with dots and parentheses", { step: 2, metrics: { "(.*)": 9, a: 4 } }, [["a", 4]]],
  ])("reads %s as JSON.parse would, before and after it has seen the shape", (_, fields, expected) => {
    const reader = patternReader(wanted);
    reader.read(line({ step: 1, metrics: { a: 1, b: 2 }, learningRate: 0.5 }));
    for (let time = 0; time < 2; time++) {
      const got = reader.read(line(fields));
      expect(got?.names.map((name, i) => [name, got.values[i]])).toEqual(expected);
      if (expected) expect(got!.step).toBe(2);
    }
  });

  test.each(["", "{", "[]", "null", '{"type":"warning","step":3,"message":"x"}', "{}", "x".repeat(1e5)])(
    "passes over %j",
    (text) => {
      expect(patternReader(wanted).read(`${text}\n`)).toBeUndefined();
    },
  );
});

test("a follower that was let go, or of another server, has a generation of its own", () => {
  const [first, second] = [logFollowers(), logFollowers()];
  const generation = first("a").generation;
  expect(first("a").generation).toBe(generation);
  expect(second("a").generation).not.toBe(generation);
  for (let i = 0; i < 64; i++) first(`other-${i}`);
  expect(first("a").generation).not.toBe(generation);
});

test("packSeries sends what the page does not have, aligned, and everything of another generation", async () => {
  const log = followLog(newLog(stepLine(10, 1) + stepLine(20, 2)));
  await log.read(["classification", "weight"]);
  const unpack = (generation: number, counts: number[]) => {
    const bytes = packSeries(log, ["classification", "weight"], { generation, counts });
    const length = new DataView(bytes.buffer).getUint32(0, true);
    expect((4 + length) % 8).toBe(0);
    const header = JSON.parse(Buffer.from(bytes.subarray(4, 4 + length)).toString()) as SeriesHeader;
    return { header, numbers: [...new Float64Array(bytes.buffer, 4 + length)] };
  };
  expect(unpack(0, []).numbers).toEqual([10, 20, 1, 2, 10, 20, 1, 2]);
  const rest = unpack(log.generation, [1, 2]);
  expect(rest.numbers).toEqual([20, 2]);
  expect(rest.header.columns).toEqual([
    { name: "classification", from: 1, count: 1 },
    { name: "weight", from: 2, count: 0 },
  ]);
  expect(unpack(7, [1, 2]).numbers).toHaveLength(8);
});
