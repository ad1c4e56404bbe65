import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type DownloadOptions, downloadDataSet } from "../../../src/data/download/download.js";
import { downloadAdvice, type OfficialData, type OfficialFile } from "../../../src/data/download/official-files.js";
import { officialData } from "../../../src/data/index.js";
import { DataError } from "../../../src/errors.js";
import { temporaryFolder } from "../../setup/helpers.js";
import { type Fault, serveFiles } from "../../support/file-server.js";
import { cifar10Dir, dataRoot, describeData, mnistDir } from "../../support/real-data.js";

const md5Of = (content: Uint8Array) => createHash("md5").update(content).digest("hex");
const facts = (name: string, content: Uint8Array) => ({ name, bytes: content.length, md5: md5Of(content) });
const bytesFrom = (length: number, factor: number) => Buffer.from(Array.from({ length }, (_, i) => (i * factor) % 253));

/** tar.gz of a folder `set`, made by tar itself. `arrange` fills the folder. */
function archiveOf(arrange: (folder: string) => void): Buffer {
  const root = mkdtempSync(join(temporaryFolder(), "tar-"));
  mkdirSync(join(root, "set"));
  arrange(join(root, "set"));
  const made = spawnSync("tar", ["-c", "-C", root, "set"], { maxBuffer: 1 << 26 });
  if (made.status !== 0) throw new Error(`tar failed: ${made.stderr}`);
  return gzipSync(made.stdout);
}

const [first, second] = [bytesFrom(70_000, 7), bytesFrom(3_000, 11)];
const members = [facts("one.bin", first), facts("two.bin", second)];
const good = () =>
  archiveOf((folder) => {
    writeFileSync(join(folder, "one.bin"), first);
    writeFileSync(join(folder, "two.bin"), second);
    writeFileSync(join(folder, "readme.html"), "<p>");
  });

/** A set of one archive, on a server. */
async function packedSet(archive: Buffer, kept: readonly OfficialFile[] = members, faults: readonly Fault[] = []) {
  const server = await serveFiles({ "set.tar.gz": archive }, [...faults]);
  const download = { ...facts("set.tar.gz", archive), url: `${server.url}/set.tar.gz`, members: kept };
  const official: OfficialData = { name: "set", folder: "set", labels: 1, downloads: [download] };
  const dir = temporaryFolder();
  const fetchIt = (options: Partial<DownloadOptions> = {}) => downloadDataSet(official, { dir, ...options });
  return { ...server, dir, folder: join(dir, "set"), fetchIt };
}

describe("downloadDataSet with an archive", () => {
  it("fetches, checks, unpacks and leaves the data alone in its subfolder", async () => {
    const archive = good();
    const { fetchIt, folder, asked } = await packedSet(archive);
    const report = await fetchIt();
    expect(readdirSync(folder).sort()).toEqual(["one.bin", "two.bin"]);
    expect(readFileSync(join(folder, "one.bin")).equals(first)).toBe(true);
    expect(readFileSync(join(folder, "two.bin")).equals(second)).toBe(true);
    expect(report).toMatchObject({ dataset: "set", folder, downloadedBytes: archive.length });
    expect(report.files).toEqual([
      { file: "one.bin", bytes: 70_000, fetched: true },
      { file: "two.bin", bytes: 3_000, fetched: true },
    ]);
    expect(await fetchIt()).toMatchObject({ downloadedBytes: 0, files: [{ fetched: false }, { fetched: false }] });
    expect(asked).toEqual(["set.tar.gz"]);
  });

  it("brings back one member that is missing", async () => {
    const { fetchIt, folder } = await packedSet(good());
    await fetchIt();
    rmSync(join(folder, "two.bin"));
    expect((await fetchIt()).files.map(({ fetched }) => fetched)).toEqual([false, true]);
    expect(readFileSync(join(folder, "two.bin")).equals(second)).toBe(true);
  });

  it("deletes the archive that it has fetched also where it was stopped while it unpacked it", async () => {
    const { fetchIt, folder, asked } = await packedSet(good());
    const onNote = (note: string) => {
      if (note.startsWith("unpacking")) throw new Error("stopped");
    };
    await expect(fetchIt({ onNote })).rejects.toThrow("stopped");
    expect(readdirSync(folder)).toContain("set.tar.gz");
    await fetchIt();
    expect(readdirSync(folder).sort()).toEqual(["one.bin", "two.bin"]);
    // Stopped when all was unpacked.
    for (const name of ["set.tar.gz", "set.tar.gz.fetched"]) writeFileSync(join(folder, name), good());
    await fetchIt();
    expect(readdirSync(folder).sort()).toEqual(["one.bin", "two.bin"]);
    expect(asked).toEqual(["set.tar.gz"]);
  });

  it("uses an archive that was put there by hand, and leaves it there", async () => {
    const archive = good();
    const { fetchIt, folder, asked } = await packedSet(archive);
    mkdirSync(folder);
    writeFileSync(join(folder, "set.tar.gz"), archive);
    expect((await fetchIt()).downloadedBytes).toBe(0);
    expect(asked).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(["one.bin", "set.tar.gz", "two.bin"]);
  });

  it.each([
    ["of another length", "mine", /one\.bin is there, but it is not the official file: expected 70,000 bytes/],
    ["of the same length", bytesFrom(70_000, 3), /one\.bin is there, but it is not the official file: expected md5/],
  ])("never overwrites another file %s", async (_, mine, message) => {
    const { fetchIt, folder, asked } = await packedSet(good());
    mkdirSync(folder);
    writeFileSync(join(folder, "one.bin"), mine);
    await expect(fetchIt()).rejects.toThrow(message);
    expect(asked).toEqual([]);
    expect(readFileSync(join(folder, "one.bin")).equals(Buffer.from(mine))).toBe(true);
  });

  const lacking = () => archiveOf((folder) => writeFileSync(join(folder, "one.bin"), first));
  const [one, two] = members as [(typeof members)[0], (typeof members)[0]];
  it.each([
    ["lacks a member", /expected two\.bin of 3,000 bytes in it, found no such file/, lacking, members],
    ["has a member of another size", /expected two\.bin of 2,999 bytes/, good, [one, { ...two, bytes: 2999 }]],
    ["has a member of other content", /two\.bin in it has md5/, good, [one, { ...two, md5: md5Of(first) }]],
    ["is cut off", /cannot unpack/, () => good().subarray(0, 300), members],
    ["is no archive", /cannot unpack/, () => bytesFrom(5000, 5), members],
    ["is gzip of something else", /no tar header/, () => gzipSync(bytesFrom(5000, 5)), members],
  ] as const)("refuses an archive that %s, and leaves no half of a file", async (_, message, make, kept) => {
    const { fetchIt, folder } = await packedSet(make(), kept);
    const failed = fetchIt();
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toThrow(DataError);
    expect(readdirSync(folder).filter((name) => !["set.tar.gz", "one.bin"].includes(name))).toEqual([]);
  });

  it("writes nothing for a link, whatever it points to", async () => {
    const outside = join(temporaryFolder(), "outside.bin");
    writeFileSync(outside, first);
    const archive = archiveOf((folder) => {
      symlinkSync(outside, join(folder, "one.bin"));
      writeFileSync(join(folder, "two.bin"), second);
    });
    const { fetchIt, folder } = await packedSet(archive);
    await expect(fetchIt()).rejects.toThrow(/set\/one\.bin" is a symbolic link/);
    expect(existsSync(join(folder, "one.bin"))).toBe(false);
  });

  it("stops unpacking a bomb long before its end", async () => {
    const archive = gzipSync(Buffer.alloc(64 << 20));
    const { fetchIt, folder } = await packedSet(archive);
    await expect(fetchIt()).rejects.toThrow(/unpacks to more than 8,461,608 bytes, which it must not/);
    expect(readdirSync(folder)).toEqual(["set.tar.gz"]);
  });
});

describe("downloadDataSet with single files", () => {
  const files = { "a.mat": bytesFrom(5000, 3), "more.mat": bytesFrom(2000, 5) };
  async function plainSet() {
    const server = await serveFiles(files);
    const download = (name: keyof typeof files) => ({
      ...facts(name, files[name]),
      url: `http://official.invalid/${name}`,
    });
    const official: OfficialData = {
      name: "plain",
      folder: "plain",
      labels: 1,
      downloads: [download("a.mat"), { ...download("more.mat"), extra: true }],
    };
    return { ...server, official, mirror: `${server.url}/some/where/` };
  }

  it("takes them from a mirror, and the extra ones only if asked to", async () => {
    const { official, mirror, asked } = await plainSet();
    const dir = temporaryFolder();
    const folder = join(dir, "plain");
    expect((await downloadDataSet(official, { dir, mirror })).files.map(({ file }) => file)).toEqual(["a.mat"]);
    expect(readdirSync(folder)).toEqual(["a.mat"]);
    await downloadDataSet(official, { dir, mirror, extra: true });
    expect(readFileSync(join(folder, "more.mat")).equals(files["more.mat"])).toBe(true);
    expect(asked).toEqual(["a.mat", "more.mat"]);
  });

  it("puts them where the data set would look: the folder of the usual name, or where some are already", async () => {
    const { official, mirror } = await plainSet();
    const named = join(temporaryFolder(), "plain");
    expect((await downloadDataSet(official, { dir: named, mirror })).folder).toBe(named);
    const flat = temporaryFolder();
    writeFileSync(join(flat, "a.mat"), files["a.mat"]);
    expect((await downloadDataSet(official, { dir: flat, mirror, extra: true })).folder).toBe(flat);
    expect(readdirSync(flat).sort()).toEqual(["a.mat", "more.mat"]);
  });

  it("says that it cannot make its folder", async () => {
    const { official, mirror } = await plainSet();
    const dir = join(temporaryFolder(), "file");
    writeFileSync(dir, "");
    const failed = downloadDataSet(official, { dir, mirror });
    await expect(failed).rejects.toThrow(/cannot make .*plain: (ENOTDIR|EEXIST).*--data/);
    await expect(failed).rejects.toThrow(DataError);
  });
});

describe("officialData", () => {
  it("names every file, size and checksum in full, over addresses of the publishers", () => {
    for (const { downloads } of officialData) {
      for (const { name, url, bytes, md5, members: kept } of downloads) {
        expect(url).toMatch(/^https?:\/\/(www\.cs\.toronto\.edu|ufldl\.stanford\.edu|ossci-datasets\.s3)/);
        expect(url.endsWith(`/${name}`)).toBe(true);
        expect(md5).toMatch(/^[0-9a-f]{32}$/);
        expect(bytes).toBeGreaterThan(4000);
        for (const member of kept ?? []) expect(member.md5 ?? md5).toMatch(/^[0-9a-f]{32}$/);
      }
    }
  });

  /** With the real files there, nothing may be asked for: sizes and checksums agree. */
  const complete = async (name: string) =>
    downloadDataSet(officialData.find((official) => official.name === name)!, {
      dir: dataRoot,
      mirror: "http://127.0.0.1:9",
      tries: 1,
    } as Parameters<typeof downloadDataSet>[1]);

  describeData(cifar10Dir)("cifar10", () => {
    it("the checksums of the six files are those of the real ones", async () => {
      const { files } = await complete("cifar10");
      expect(files).toHaveLength(6);
      expect(files.some(({ fetched }) => fetched)).toBe(false);
    });
  });
  describeData(mnistDir)("mnist", () => {
    it("the checksums of the four files are those of the real ones", async () => {
      const { files } = await complete("mnist");
      expect(files).toHaveLength(4);
      expect(files.some(({ fetched }) => fetched)).toBe(false);
    });
  });
});

describe("downloadDataSet by several at once", () => {
  it("fetches and unpacks once; the others wait, say so, and find the files there", async () => {
    const { fetchIt, folder, asked } = await packedSet(good());
    const notes: string[] = [];
    const reports = await Promise.all([0, 1, 2].map(() => fetchIt({ onNote: (line) => notes.push(line) })));
    expect(asked).toEqual(["set.tar.gz"]);
    expect(readFileSync(join(folder, "one.bin")).equals(first)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["one.bin", "two.bin"]);
    expect(reports.filter(({ files }) => files.every(({ fetched }) => fetched))).toHaveLength(1);
    expect(reports.filter(({ downloadedBytes }) => downloadedBytes === 0)).toHaveLength(2);
    const said = notes.filter((line) => /^process \d+ is fetching set\.tar\.gz since .*; waiting for it$/.test(line));
    expect(said).toHaveLength(2);
  });

  it("goes on where the other was stopped, and stops waiting when told to", async () => {
    const archive = archiveOf((folder) => {
      writeFileSync(join(folder, "one.bin"), first);
      writeFileSync(join(folder, "two.bin"), second);
      writeFileSync(join(folder, "noise"), randomBytes(300_000)); // a connection brings it in several pieces
    });
    const { fetchIt, folder, asked } = await packedSet(archive, members, [{ stallAfter: 200_000 }]);
    const [busy, impatient] = [new AbortController(), new AbortController()];
    const stopped = fetchIt({
      signal: busy.signal,
      onProgress: (_, have) => have >= 200_000 && busy.abort(new Error("enough")),
    });
    const patient = fetchIt();
    const gone = fetchIt({ signal: impatient.signal, onNote: () => impatient.abort(new Error("no more")) });
    await expect(gone).rejects.toThrow("no more");
    await expect(stopped).rejects.toThrow("enough");
    await patient;
    expect(asked).toEqual(["set.tar.gz", "set.tar.gz from 200000"]);
    expect(readdirSync(folder).sort()).toEqual(["one.bin", "two.bin"]);
  });

  it("does not wait for a process that is no more", async () => {
    const { fetchIt, folder } = await packedSet(good());
    mkdirSync(folder);
    const holder = { pid: 2 ** 22 + 1, thread: 0, host: hostname(), started: "1", since: "long ago" };
    writeFileSync(join(folder, "set.tar.gz.part.lock"), JSON.stringify(holder));
    const notes: string[] = [];
    await fetchIt({ onNote: (line) => notes.push(line) });
    expect(notes.some((line) => line.includes("waiting"))).toBe(false);
    expect(readdirSync(folder).sort()).toEqual(["one.bin", "two.bin"]);
  });
});

it("downloadAdvice names a command that a shell takes, whatever the folder is called", () => {
  expect(downloadAdvice(officialData.find(({ name }) => name === "mnist")!, "my data")).toContain(
    "`fewlabels data download mnist --data 'my data'`",
  );
});
