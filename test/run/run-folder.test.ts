import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DataError, DiskError, UsageError } from "../../src/errors.js";
import { cannotWrite } from "../../src/files/write-whole.js";
import { type OwnerState, RunFolder } from "../../src/run/index.js";

/** What the system refuses to remove. */
let refused = "";
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const rmSync: typeof fs.rmSync = (path, options) => {
    if (path === refused) throw Object.assign(new Error(`EACCES: permission denied, rm '${path}'`), { code: "EACCES" });
    fs.rmSync(path, options);
  };
  return { ...fs, rmSync };
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fewlabels-run-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const facts = { versions: { fewlabels: "0.1.0" }, dataFingerprint: "abc" };
const owner = (value: number): OwnerState => ({
  tensors: { w: { dtype: "F32", shape: [2], bytes: new Uint8Array(new Float32Array([value, -value]).buffer) } },
  values: { value },
});
const create = () => RunFolder.create(join(root, "run"), { method: "mean-teacher", steps: 10 }, facts);

describe("RunFolder", () => {
  it("holds the configuration with versions and fingerprint", () => {
    const { path } = create();
    const { method, versions, dataFingerprint } = RunFolder.open(path).config<{ method: string }>();
    expect({ method, versions, dataFingerprint }).toEqual({ method: "mean-teacher", ...facts });
  });

  it("does not touch a folder that holds a run, and says how to continue it", () => {
    const { path } = create();
    expect(() => RunFolder.create(path, {}, facts)).toThrow(/already holds a run.*--resume/);
    writeFileSync(join(root, "note.txt"), "mine");
    expect(() => RunFolder.create(root, {}, facts)).toThrow(/is not empty/);
    expect(() => RunFolder.open(root)).toThrow(UsageError);
  });

  it("names config.json when it cannot be read", () => {
    const { path } = create();
    truncateSync(join(path, "config.json"), 5);
    expect(() => RunFolder.open(path)).toThrow(/config\.json: cannot be read/);
    expect(() => RunFolder.open(path)).toThrow(DataError);
  });

  it("has a result only once it was written", () => {
    const folder = create();
    expect(folder.result()).toBeUndefined();
    folder.writeResult({ error: 12.5 });
    expect(folder.result()).toEqual({ error: 12.5 });
    expect(readdirSync(folder.path).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
  });
});

describe("events", () => {
  const log = (folder: RunFolder, ...steps: number[]) => {
    for (const step of steps) folder.append({ type: "step", step } as { type: string });
  };
  const steps = (folder: RunFolder) => folder.events().map((event) => event.step);

  it("are appended a line each, with the time", () => {
    const folder = create();
    log(folder, 1, 2);
    const lines = readFileSync(join(folder.path, "metrics.jsonl"), "utf8").trim().split("\n");
    expect(lines).toHaveLength(2);
    expect(Date.parse(JSON.parse(lines[0]!).time)).not.toBeNaN();
    expect(steps(folder)).toEqual([1, 2]);
  });

  it("survive a torn last line, which the next truncation removes", () => {
    const folder = create();
    log(folder, 1, 2);
    appendFileSync(folder.log.path, '{"type":"step","st');
    expect(steps(folder)).toEqual([1, 2]);
    folder.truncateAfter(2);
    log(folder, 3);
    expect(steps(folder)).toEqual([1, 2, 3]);
  });

  it("of later steps go when a run continues from an earlier checkpoint, and all that follows them", () => {
    const folder = create();
    log(folder, 1, 2, 3);
    folder.append({ type: "warning", message: "after step 3" } as { type: string });
    folder.truncateAfter(2);
    expect(steps(folder)).toEqual([1, 2]);
    log(folder, 3);
    expect(steps(folder)).toEqual([1, 2, 3]);
  });

  it("name the line that is damaged", () => {
    const folder = create();
    log(folder, 1);
    appendFileSync(folder.log.path, "garbage\n");
    log(folder, 2);
    expect(() => folder.events()).toThrow(/metrics\.jsonl:2: not a line of JSON/);
  });

  it("are none before the first", () => {
    const folder = create();
    folder.truncateAfter(0);
    expect(folder.events()).toEqual([]);
  });
});

describe("checkpoints", () => {
  it("come back bit for bit, tensors and values", () => {
    const folder = create();
    folder.writeCheckpoint(
      5,
      { student: owner(1.5), sampler: { tensors: {}, values: { drawn: 12, order: [2, 0, 1] } } },
      { extra: { elapsed: 3 } },
    );
    const read = RunFolder.open(folder.path).latestCheckpoint()!;
    expect(read.step).toBe(5);
    expect(read.extra).toEqual({ elapsed: 3 });
    expect(read.owners.sampler).toEqual({ tensors: {}, values: { drawn: 12, order: [2, 0, 1] } });
    expect(read.owners.student!.values).toEqual({ value: 1.5 });
    const { bytes } = read.owners.student!.tensors.w!;
    expect([...new Float32Array(bytes.slice().buffer)]).toEqual([1.5, -1.5]);
  });

  it("keep the latest few by number, not by name", () => {
    const folder = create();
    for (const step of [8, 9, 10, 11]) folder.writeCheckpoint(step, { student: owner(step) }, { keep: 2 });
    expect(folder.checkpointSteps()).toEqual([10, 11]);
    expect(folder.latestCheckpoint()!.owners.student!.values).toEqual({ value: 11 });
  });

  it("of the same step are replaced", () => {
    const folder = create();
    folder.writeCheckpoint(5, { student: owner(1) });
    folder.writeCheckpoint(5, { student: owner(2) });
    expect(folder.checkpointSteps()).toEqual([5]);
    expect(folder.latestCheckpoint()!.owners.student!.values).toEqual({ value: 2 });
    expect(readdirSync(folder.checkpointsPath)).toEqual(["step-5"]);
  });

  const failing = (message: string, times: number) => {
    let calls = 0;
    const refused = Object.assign(new Error(`${message}, write`), { code: message.split(":")[0] });
    const bytes = () => {
      if (calls++ < times) throw cannotWrite("/x/step-4", refused);
      return new Uint8Array(4);
    };
    return { student: { tensors: { w: { dtype: "F32" as const, shape: [1], bytes } }, values: {} } };
  };

  it.each(["ENOSPC: no space left on device", "EDQUOT: disk quota exceeded"])("make room where %s", (message) => {
    const folder = create();
    for (const step of [1, 2, 3]) folder.writeCheckpoint(step, { student: owner(step) });
    folder.writeCheckpoint(4, failing(message, 1));
    expect(folder.checkpointSteps()).toEqual([3, 4]);
    expect(() => folder.writeCheckpoint(5, failing(message, 2))).toThrow(DiskError);
    expect(folder.checkpointSteps()).toEqual([4]);
  });

  it.each(["EIO: i/o error", "EACCES: permission denied", "EROFS: read-only file system"])(
    "all stay where %s",
    (message) => {
      const folder = create();
      for (const step of [1, 2, 3]) folder.writeCheckpoint(step, { student: owner(step) });
      expect(() => folder.writeCheckpoint(4, failing(message, 1))).toThrow(message);
      expect(folder.checkpointSteps()).toEqual([1, 2, 3]);
    },
  );

  it("that cannot be removed stay, and neither the new one nor the run is lost", () => {
    const folder = create();
    for (const step of [1, 2]) folder.writeCheckpoint(step, { student: owner(step) });
    refused = join(folder.checkpointsPath, "step-1");
    folder.writeCheckpoint(3, { student: owner(3) }, { keep: 1 });
    expect(folder.checkpointSteps()).toEqual([1, 3]);
    expect(() => folder.writeCheckpoint(4, failing("ENOSPC: no space left on device", 2))).toThrow(/ENOSPC/);
    refused = "";
    folder.writeCheckpoint(5, { student: owner(5) }, { keep: 1 });
    expect(folder.checkpointSteps()).toEqual([5]);
  });

  it("that were never finished do not count and are cleared away", () => {
    const folder = create();
    folder.writeCheckpoint(5, { student: owner(1) });
    mkdirSync(join(folder.checkpointsPath, ".tmp-step-6"));
    mkdirSync(join(folder.checkpointsPath, "step-7"));
    expect(folder.latestCheckpoint()!.step).toBe(5);
    folder.writeCheckpoint(8, { student: owner(1) });
    expect(existsSync(join(folder.checkpointsPath, ".tmp-step-6"))).toBe(false);
  });

  it("are not left half by a writer that throws", () => {
    const folder = create();
    const broken = { ...owner(1), tensors: { w: { dtype: "F32" as const, shape: [3], bytes: new Uint8Array(4) } } };
    expect(() => folder.writeCheckpoint(5, { student: owner(1), teacher: broken })).toThrow(DataError);
    expect(folder.checkpointSteps()).toEqual([]);
    expect(folder.latestCheckpoint()).toBeUndefined();
  });

  it.each([
    ["cut off", (path: string) => truncateSync(path, 40), /expected \d+ bytes, found 40/],
    ["missing", (path: string) => rmSync(path), /missing, though state\.json names it/],
    [
      "changed in one bit",
      (path: string) => {
        const bytes = readFileSync(path);
        bytes[bytes.length - 1]! ^= 1;
        writeFileSync(path, bytes);
      },
      /damaged, its checksum/,
    ],
  ])("name the file that is %s", (_, damage, message) => {
    const folder = create();
    const path = folder.writeCheckpoint(5, { student: owner(1) });
    damage(join(path, "student.safetensors"));
    expect(() => folder.latestCheckpoint()).toThrow(message);
    expect(() => folder.latestCheckpoint()).toThrow(DataError);
  });

  it("name state.json when it is not one", () => {
    const folder = create();
    const path = folder.writeCheckpoint(5, { student: owner(1) });
    for (const text of ["", "[]", "{}", '{"format":2,"step":5,"files":{},"values":{},"extra":{}}']) {
      writeFileSync(join(path, "state.json"), text);
      expect(() => folder.latestCheckpoint()).toThrow(/state\.json: /);
    }
  });
});
