import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError, DiskError } from "../../src/errors.js";
import { TarFile, type TarMember } from "../../src/files/tar.js";
import { TarWriter } from "../../src/files/tar-writer.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "fewlabels-tar-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

type Entry = readonly [name: string, content: Uint8Array];

async function readAll(path: string, chunk?: number): Promise<Entry[]> {
  const tar = await TarFile.open(path, chunk);
  try {
    const entries: Entry[] = [];
    for (let member = await tar.next(); member; member = await tar.next()) {
      entries.push([member.name, (await tar.read(member, 1e9)).slice()]);
    }
    return entries;
  } finally {
    await tar.close();
  }
}

function write(name: string, entries: readonly Entry[]): string {
  const path = join(dir, name);
  const tar = new TarWriter(path);
  for (const [member, content] of entries) tar.add(member, content);
  tar.finish();
  return path;
}

/** A file of our own making, from header fields, to say what no writer says. */
function raw(name: string, blocks: readonly Uint8Array[], end = true): string {
  const path = join(dir, name);
  writeFileSync(path, Buffer.concat([...blocks, new Uint8Array(end ? 1024 : 0)]));
  return path;
}

function block({ name = "a.jpg", size = "00000000000\0", type = "0", good = true } = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(size, 124, "latin1");
  header.write(type, 156);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0) + (good ? 0 : 1);
  header.write(sum.toString(8).padStart(6, "0"), 148);
  header[154] = 0;
  return header;
}

const text = (word: string) => new TextEncoder().encode(word);
const padded = (content: string) => Buffer.concat([text(content), Buffer.alloc((512 - (content.length % 512)) % 512)]);
const long = `${"deep/".repeat(40)}é-${"x".repeat(120)}.jpg`;

describe("TarFile", () => {
  it.each(["ustar", "gnu", "pax", "v7"])("reads what GNU tar writes with --format=%s", async (format) => {
    const source = join(dir, `source-${format}`);
    const names = ["a.jpg", "b/c.cls", ...(format === "v7" || format === "ustar" ? [] : [long])];
    for (const name of names) {
      mkdirSync(dirname(join(source, name)), { recursive: true });
      writeFileSync(join(source, name), `content of ${name}`);
    }
    const path = join(dir, `${format}.tar`);
    const made = spawnSync("tar", [`--format=${format}`, "--sort=name", "-cf", path, "-C", source, "."]);
    expect(made.status, String(made.stderr)).toBe(0);
    const found = (await readAll(path)).map(([name, content]) => [name, Buffer.from(content).toString()]);
    expect(found.sort()).toEqual(names.map((name) => [name, `content of ${name}`]).sort());
  });

  it("reads back whatever TarWriter wrote, with chunks of any size", async () => {
    const part = fc.stringMatching(/^[a-zé][a-z0-9 _é.-]{0,60}$/);
    const entries = fc.array(
      fc.tuple(
        fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/")),
        fc.uint8Array({ maxLength: 3000 }),
      ),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(entries, fc.integer({ min: 512, max: 5000 }), async (made, chunk) => {
        const path = write("round.tar", made);
        expect(await readAll(path, chunk)).toEqual(made);
      }),
      { numRuns: 60 },
    );
  });

  it("goes on from a member's offset, past the long name before it", async () => {
    const path = write("seek.tar", [
      ["a.jpg", text("one")],
      [long, text("two")],
      ["c.jpg", text("three")],
    ]);
    const tar = await TarFile.open(path);
    const members: TarMember[] = [];
    for (let member = await tar.next(); member; member = await tar.next()) members.push(member);
    for (const member of members.toReversed()) {
      tar.seek(member.offset);
      expect(await tar.next()).toEqual(member);
    }
    expect(members.map(({ name }) => name)).toEqual(["a.jpg", long, "c.jpg"]);
    await tar.close();
  });

  it.each([
    ["an absolute path", [block({ name: "/etc/passwd" })], /byte 0: the name "\/etc\/passwd" is an absolute path/],
    ["a Windows path", [block({ name: "C:\\a.jpg" })], /absolute path/],
    ["..", [block({ name: "a/../../b.jpg" })], /leads out of the shard/],
    [
      ".. at the end of a pax name",
      [block({ type: "x", size: "00000000013\0" }), padded("11 path=..\n"), block()],
      /leads out/,
    ],
    ["a symbolic link", [block({ type: "2" })], /"a.jpg" is a symbolic link, not a plain file/],
    ["a hard link", [block({ type: "1" })], /a hard link/],
    ["a device", [block({ type: "3" })], /a device/],
    ["a sparse file", [block({ type: "S" })], /a sparse file/],
    ["a wrong checksum", [block({ good: false })], /byte 0: no tar header, or a damaged one/],
    ["a size that is no number", [block({ size: "12x45678901\0" })], /size is not a number/],
    [
      "a huge size",
      [block({ size: "77777777777\0" })],
      /a member of 8,589,934,591 bytes begins here, but the file ends after/,
    ],
    [
      "a huge binary size",
      [block({ size: "\x80\0\0\0\0\x0f\xff\xff\xff\xff\xff\xff" })],
      /a member of 4,503,599,627,370,495 bytes/,
    ],
    ["a binary size beyond all numbers", [block({ size: `\x80${"\xff".repeat(11)}` })], /size is not a number/],
    ["a negative binary size", [block({ size: "\xff".repeat(12) })], /size is not a number/],
    [
      "a huge pax size",
      [block({ type: "x", size: "00000000025\0" }), padded("21 size=999999999999\n"), block()],
      /999,999,999,999 bytes/,
    ],
    [
      "a pax header that never ends",
      [block({ type: "x", size: "00000000013\0" }), padded("99 path=..\n"), block()],
      /damaged pax/,
    ],
    ["a huge long name", [block({ type: "L", size: "00000300000\0" }), Buffer.alloc(0o300000)], /none needs that much/],
    ["gzip", [Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(1000)])], /gunzip/],
    ["no name", [block({ name: "" })], /without a name/],
    ["two archives in one file", [block(), Buffer.alloc(1024), block()], /data after the end/],
  ])("refuses %s, naming file and byte", async (_, blocks, message) => {
    const path = raw("bad.tar", blocks);
    const failed = readAll(path);
    await expect(failed).rejects.toThrow(DataError);
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toThrow(`${path}, byte `);
  });

  it("refuses a file without the blocks at its end, empty, missing, or a folder", async () => {
    await expect(readAll(raw("cut.tar", [block()], false))).rejects.toThrow(/byte 512: .*truncated/);
    await expect(readAll(raw("half.tar", [block(), Buffer.alloc(512)], false))).rejects.toThrow(
      /second zero block.*truncated/,
    );
    await expect(readAll(raw("empty.tar", [], false))).rejects.toThrow(/empty.tar: the shard is empty/);
    await expect(readAll(join(dir, "missing.tar"))).rejects.toThrow(/missing.tar: there is no such shard/);
    await expect(readAll(dir)).rejects.toThrow(DataError);
  });

  it("a shard cut anywhere is an error, never fewer members", async () => {
    const path = write("whole.tar", [
      ["a.jpg", text("x".repeat(700))],
      [long, text("two")],
    ]);
    const { size } = await open(path);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: size - 1 }), async (length) => {
        write("whole.tar", [
          ["a.jpg", text("x".repeat(700))],
          [long, text("two")],
        ]);
        truncateSync(path, length);
        await expect(readAll(path)).rejects.toThrow(DataError);
      }),
      { numRuns: 60 },
    );
  });

  it("random bytes, and bytes changed at random, are read or refused in bounded memory, never a crash", async () => {
    const whole = [["a.jpg", text("y".repeat(600))] as const, [long, text("two")] as const];
    const { bytes } = await open(write("fuzz.tar", whole));
    const changed = fc
      .array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
      .map((edits) => {
        const copy = bytes.slice();
        for (const [at, value] of edits) copy[at] = value;
        return copy;
      });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 2000 }), changed), async (content) => {
        const path = join(dir, "fuzz.tar");
        writeFileSync(path, content);
        const outcome = await readAll(path).catch((error: unknown) => error);
        if (Array.isArray(outcome)) {
          const total = outcome.reduce((sum, [, body]) => sum + body.length, 0);
          expect(total).toBeLessThanOrEqual(content.length);
        } else expect(outcome).toBeInstanceOf(DataError);
      }),
      { numRuns: 300 },
    );
  });

  it("does not read a member above the limit", async () => {
    const tar = await TarFile.open(write("limit.tar", [["a.jpg", text("12345")]]));
    const member = (await tar.next())!;
    await expect(tar.read(member, 4)).rejects.toThrow(/"a.jpg" has 5 bytes, more than the 4 bytes it may have/);
    await tar.close();
  });
});

describe("TarWriter", () => {
  it("writes what GNU tar unpacks, long and foreign names included", () => {
    const path = write("ours.tar", [
      ["a.jpg", text("one")],
      [long, text("two")],
      ["x".repeat(100), text("three")],
    ]);
    const listed = spawnSync("tar", ["--quoting-style=literal", "-tf", path], {
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    });
    expect(String(listed.stderr)).toBe("");
    expect(String(listed.stdout).trim().split("\n")).toEqual(["a.jpg", long, "x".repeat(100)]);
    expect(String(spawnSync("tar", ["-xOf", path, "a.jpg"]).stdout)).toBe("one");
  });

  it("gives the file its name only when it is whole, and leaves nothing when abandoned", () => {
    const folder = join(dir, "beside");
    mkdirSync(folder);
    const tar = new TarWriter(join(folder, "a.tar"));
    tar.add("a.jpg", text("one"));
    expect(readdirSync(folder)).toEqual([".tmp-a.tar"]);
    tar.abandon();
    expect(readdirSync(folder)).toEqual([]);
    expect(() => new TarWriter(join(folder, "none", "a.tar"))).toThrow(DiskError);
  });
});

async function open(path: string): Promise<{ readonly size: number; readonly bytes: Uint8Array }> {
  const { readFile } = await import("node:fs/promises");
  const bytes = new Uint8Array(await readFile(path));
  return { size: bytes.length, bytes };
}
