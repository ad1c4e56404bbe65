import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FetchControl, fetchFile } from "../../../src/data/download/fetch-file.js";
import { DataError, DiskError, DownloadError } from "../../../src/errors.js";
import { temporaryFolder } from "../../setup/helpers.js";
import { type Fault, serveFiles } from "../../support/file-server.js";

const content = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 7919) % 251));
const md5 = createHash("md5").update(content).digest("hex");

/** Fetches `content` from a server with those faults. */
async function setting(...faults: Fault[]) {
  const server = await serveFiles({ "a.bin": content }, faults);
  const file = join(temporaryFolder(), "a.bin");
  const notes: string[] = [];
  const progress: [have: number, came: number][] = [];
  const fetchIt = (control: FetchControl = {}, url = `${server.url}/a.bin`) =>
    fetchFile(
      { url, file, bytes: content.length, md5 },
      {
        stallSeconds: 20, // a busy machine is no stall
        pauseSeconds: 0.005,
        onNote: (line) => notes.push(line),
        onBytes: (...now) => progress.push(now),
        ...control,
      },
    );
  const expectWhole = () => {
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(existsSync(`${file}.part`)).toBe(false);
  };
  return { ...server, file, part: `${file}.part`, notes, progress, fetchIt, expectWhole };
}

describe("fetchFile", () => {
  it("writes the file and says how far it is", async () => {
    const { fetchIt, expectWhole, asked, progress } = await setting();
    await fetchIt();
    expectWhole();
    expect(asked).toEqual(["a.bin"]);
    expect(progress.at(-1)![0]).toBe(content.length);
    expect(progress.reduce((sum, [, came]) => sum + came, 0)).toBe(content.length);
  });

  it("goes on from where each of several cuts was", async () => {
    const { fetchIt, expectWhole, asked, notes } = await setting({ cutAfter: 150_000 }, { cutAfter: 100_000 });
    await fetchIt();
    expectWhole();
    // A cut can swallow bytes on their way, so where the next request starts is not known to the byte.
    expect(asked[0]).toBe("a.bin");
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(asked.slice(1).every((request) => /^a\.bin from [1-9]\d*$/.test(request))).toBe(true);
    expect(notes.filter((note) => note.startsWith("download interrupted"))).toHaveLength(asked.length - 1);
  });

  it("starts again where the server does not resume", async () => {
    const { fetchIt, expectWhole, asked } = await setting({ cutAfter: 150_000 }, { ignoreRange: true });
    await fetchIt();
    expectWhole();
    expect(asked).toHaveLength(2);
  });

  it("gives up on a connection that stalls, says so and goes on", async () => {
    const { fetchIt, expectWhole, notes, asked } = await setting({ stallAfter: 100_000 });
    await fetchIt({ stallSeconds: 1 });
    expectWhole();
    expect(notes).toEqual([expect.stringMatching(/^download interrupted: no data for 1 s; going on from/)]);
    expect(asked[1]).toMatch(/ from /);
  });

  it("leaves a server alone that is slow but keeps sending", async () => {
    const { fetchIt, expectWhole, notes } = await setting({ pieces: 8, pauseMs: 160 });
    await fetchIt({ stallSeconds: 1 }); // 1.28 s in all
    expectWhole();
    expect(notes).toEqual([]);
  });

  it("ends after its tries where nothing comes, and keeps what came", async () => {
    const dead = { stallAfter: 0 };
    const { fetchIt, part, asked } = await setting({ stallAfter: 100_000 }, dead, dead, dead, dead);
    const failed = fetchIt({ tries: 3, stallSeconds: 1 });
    await expect(failed).rejects.toThrow(/cannot fetch .*no data for 1 s \(3 tries.*Run the same command again/);
    await expect(failed).rejects.toThrow(DownloadError);
    expect(asked).toHaveLength(4);
    expect(content.subarray(0, readFileSync(part).length).equals(readFileSync(part))).toBe(true);
    expect(readFileSync(part).length).toBeGreaterThan(0);
  });

  it("does not repeat what a server refuses for good, but what may pass", async () => {
    const gone = await setting({ status: 404 });
    await expect(gone.fetchIt()).rejects.toThrow(/a\.bin answered 404 Not Found\. .*FEWLABELS_MIRROR/);
    expect(gone.asked).toHaveLength(1);
    const busy = await setting({ status: 503 }, { status: 429 });
    await busy.fetchIt();
    busy.expectWhole();
    expect(busy.asked).toHaveLength(3);
  });

  it("names the reason when there is no server", async () => {
    const { fetchIt } = await setting();
    await expect(fetchIt({ tries: 2 }, "http://127.0.0.1:1/a.bin")).rejects.toThrow(/ECONNREFUSED|bad port/);
  });

  it("throws wrong bytes away and says what it expected and got", async () => {
    const wrong = Buffer.alloc(content.length, 1);
    const { fetchIt, file, part, asked } = await setting({ content: wrong });
    const got = createHash("md5").update(wrong).digest("hex");
    const failed = fetchIt();
    await expect(failed).rejects.toThrow(`expected md5 ${md5}, got ${got}`);
    await expect(failed).rejects.toThrow(DataError);
    expect([existsSync(file), existsSync(part)]).toEqual([false, false]);
    expect(asked).toHaveLength(1);
  });

  it("refuses a file of another size before reading it", async () => {
    const { fetchIt, progress } = await setting({ content: Buffer.from("<html>log in first</html>") });
    await expect(fetchIt()).rejects.toThrow(/expected 400,000 bytes, the server has 25 bytes/);
    expect(progress).toEqual([]);
  });

  it("never writes more than the file has, however much comes", async () => {
    const { fetchIt, part, progress } = await setting({ content: Buffer.alloc(5_000_000), chunked: true });
    await expect(fetchIt()).rejects.toThrow(/expected 400,000 bytes, got more/);
    expect(progress.every(([have]) => have <= content.length)).toBe(true);
    expect(existsSync(part)).toBe(false);
  });

  it("refuses a file that ends early, also where the server announces no length", async () => {
    const short = { content: content.subarray(0, 1000), chunked: true };
    const { fetchIt, asked } = await setting(...new Array(9).fill(short));
    await expect(fetchIt()).rejects.toThrow(/it ends after 1,000 bytes, expected 400,000 bytes/);
    expect(asked).toEqual(["a.bin", "a.bin from 1000", "a.bin", "a.bin from 1000"]);
  });

  it.each([
    ["of another file", Buffer.alloc(100_000, 9), 2],
    ["as long as the file", Buffer.alloc(content.length, 9), 1],
    ["longer than the file", Buffer.alloc(content.length + 1, 9), 1],
  ])("starts over once where a part is %s", async (_, old, requests) => {
    const { fetchIt, part, expectWhole, asked, notes } = await setting();
    writeFileSync(part, old);
    await fetchIt();
    expectWhole();
    expect(asked).toHaveLength(requests);
    expect(notes.join()).toMatch(/starting from its beginning|interrupted/);
  });

  it("starts over where the server resumes at another byte than it was asked for", async () => {
    const { fetchIt, part, expectWhole, asked } = await setting({ contentRange: "bytes 5-399999/400000" });
    writeFileSync(part, content.subarray(0, 1000));
    await fetchIt();
    expectWhole();
    expect(asked).toEqual(["a.bin from 1000", "a.bin"]);
  });

  const page = Buffer.from("<html>log in first</html>");
  it.each<[string, Fault, RegExp]>([
    ["a page", { content: page, ignoreRange: true }, /the server has 25 bytes\. What came before is kept/],
    [
      "a page of unknown length",
      { content: page, ignoreRange: true, chunked: true, contentType: "text/html; charset=utf-8" },
      /the server sends a web page\. What came before is kept/,
    ],
    ["less than is there already", { content: content.subarray(0, 100) }, /What came before is kept/],
  ])("keeps what came where the server answers with %s, and goes on from there later", async (_, fault, message) => {
    const { fetchIt, part, expectWhole, asked } = await setting(fault, fault);
    const came = content.subarray(0, 1000);
    writeFileSync(part, came);
    const failed = fetchIt();
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toThrow(DataError);
    expect(readFileSync(part).equals(came)).toBe(true);
    await fetchIt();
    expectWhole();
    expect(asked).toEqual(["a.bin from 1000", "a.bin", "a.bin from 1000"]);
  });

  it("is done where another process put the file there meanwhile and took the part away", async () => {
    const { fetchIt, file, part } = await setting();
    const onBytes = (have: number) => {
      if (have < content.length) return;
      writeFileSync(file, content);
      rmSync(part);
    };
    await fetchIt({ onBytes });
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it("stops when told to, keeps what came, and goes on from there the next time", async () => {
    const { fetchIt, file, part, asked, expectWhole } = await setting({ stallAfter: 200_000 });
    const abort = new AbortController();
    const onBytes = (have: number) => have >= 200_000 && abort.abort(new Error("enough"));
    await expect(fetchIt({ signal: abort.signal, stallSeconds: 20, onBytes })).rejects.toThrow("enough");
    expect(existsSync(file)).toBe(false);
    expect(readFileSync(part).length).toBe(200_000);
    await fetchIt();
    expectWhole();
    expect(asked).toEqual(["a.bin", "a.bin from 200000"]);
  });

  it("does not blame the line for a folder it cannot write in", async () => {
    const { fetchIt, part, asked } = await setting();
    mkdirSync(part); // the part cannot be opened, whoever runs this
    const failed = fetchIt();
    await expect(failed).rejects.toThrow(/cannot write .*a\.bin\.part: EISDIR.*A folder is in its place/);
    await expect(failed).rejects.toThrow(DiskError);
    expect(asked.length).toBeLessThanOrEqual(1);
  });

  it.skipIf(!existsSync("/dev/full"))("does not blame the line for a full disk", async () => {
    const { fetchIt, part, asked } = await setting();
    symlinkSync("/dev/full", part);
    await expect(fetchIt()).rejects.toThrow(/cannot write .*a\.bin\.part: ENOSPC.*The disk is full/);
    expect(asked).toHaveLength(1);
  });
});
