import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unzip } from "../../scripts/setup/unzip.mjs";
import { makeZip, temporaryFolder, type ZipEntry } from "./helpers.js";

async function unpack(bytes: Buffer): Promise<string> {
  const folder = temporaryFolder();
  const archive = join(folder, "a.zip");
  writeFileSync(archive, bytes);
  await unzip(archive, join(folder, "out"));
  return join(folder, "out");
}

const entry = (name: string, text: string, more: Partial<ZipEntry> = {}): ZipEntry => ({
  name,
  data: Buffer.from(text),
  ...more,
});

describe("unzip", () => {
  it("unpacks deflated, stored and empty files, folders, modes and links", async () => {
    const out = await unpack(
      makeZip([
        entry("lib/", "", { stored: true, mode: 0o40755 }),
        entry("lib/a.txt", "hello ".repeat(1000)),
        entry("lib/run", "#!/bin/sh\n", { mode: 0o100755, stored: true }),
        entry("empty", "", { stored: true }),
        entry("lib/link", "a.txt", { stored: true, mode: 0o120777 }),
      ]),
    );
    expect(readFileSync(join(out, "lib/a.txt"), "utf8")).toBe("hello ".repeat(1000));
    expect(statSync(join(out, "lib/run")).mode & 0o111).not.toBe(0);
    expect(statSync(join(out, "empty")).size).toBe(0);
    expect(readlinkSync(join(out, "lib/link"))).toBe("a.txt");
    expect(readFileSync(join(out, "lib/link"), "utf8")).toContain("hello");
  });

  it.each(["../evil", "a/../../evil", "/etc/evil"])("refuses the name %s", async (name) => {
    await expect(unpack(makeZip([entry(name, "x")]))).rejects.toThrow(/leaves the folder/);
  });

  it.each(["/etc/passwd", "../../x"])("refuses a link to %s", async (target) => {
    await expect(unpack(makeZip([entry("l", target, { stored: true, mode: 0o120777 })]))).rejects.toThrow(
      /not a whole zip/,
    );
  });

  it("does not write a file through a link of the same archive", async () => {
    const zip = makeZip([entry("out", "..", { stored: true, mode: 0o120777 }), entry("out/evil", "x")]);
    await expect(unpack(zip)).rejects.toThrow();
  });

  it("refuses a wrong checksum and a file that unpacks to more than stated", async () => {
    await expect(unpack(makeZip([entry("a", "abc", { crc: 1 })]))).rejects.toThrow(/a does not match its checksum/);
    await expect(unpack(makeZip([entry("a", "abc".repeat(99), { size: 3 })]))).rejects.toThrow(/larger than stated/);
  });

  it("every truncation of an archive is an error that names it", async () => {
    const whole = makeZip([entry("a.txt", "hello"), entry("b/c.txt", "world".repeat(50))]);
    const folder = temporaryFolder();
    for (let length = 0; length < whole.length; length++) {
      const archive = join(folder, "cut.zip");
      writeFileSync(archive, whole.subarray(0, length));
      await expect(unzip(archive, join(folder, "out"))).rejects.toThrow(/cut\.zip is not a whole zip archive/);
    }
  });

  it("random damage never writes outside the folder or fails with anything but its own error", async () => {
    const whole = makeZip([entry("a.txt", "hello"), entry("b/c.txt", "world".repeat(50), { stored: true })]);
    const folder = temporaryFolder();
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.nat(1_000_000), async (at, value, id) => {
        const archive = join(folder, "x.zip");
        const damaged = Buffer.from(whole);
        damaged[at] = value;
        writeFileSync(archive, damaged);
        const jail = join(folder, `${id}`);
        mkdirSync(jail, { recursive: true });
        try {
          await unzip(archive, join(jail, "out"));
        } catch (error) {
          expect(String(error)).toMatch(/SetupError|EISDIR|ENOTDIR|EEXIST|EILSEQ|EINVAL|ENAMETOOLONG/);
        }
        expect(existsSync(join(jail, "a.txt"))).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
