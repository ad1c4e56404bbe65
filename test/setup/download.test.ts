import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { download } from "../../scripts/setup/download.mjs";
import { serve, sha256, temporaryFolder } from "./helpers.js";

const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251));

/** Answers like a file server: the whole, or the rest that was asked for. Returns where it started. */
function answerRange(request: IncomingMessage, response: ServerResponse, etag = '"v1"'): number {
  const from = Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
  const matches = from > 0 && request.headers["if-range"] === etag;
  const start = matches ? from : 0;
  response.writeHead(matches ? 206 : 200, { etag, "content-length": content.length - start });
  return start;
}

function setting() {
  const folder = temporaryFolder();
  const lines: string[] = [];
  const common = { sha256: sha256(content), log: (line: string) => lines.push(line), retryMs: 5, stallMs: 500 };
  return { file: join(folder, "a.zip"), lines, common };
}

describe("download", () => {
  it("resumes every time the server cuts the connection, and the bytes are right", async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      asked.push(request.headers.range);
      const start = answerRange(request, response);
      const end = Math.min(content.length, start + 120_000);
      response.write(content.subarray(start, end), () => {
        if (end < content.length) response.socket?.end();
        else response.end();
      });
    });
    const { file, lines, common } = setting();
    await download({ ...common, url, file });
    expect(readFileSync(file).equals(content)).toBe(true);
    // A cut can swallow bytes on their way, so there may be more tries than cuts that the server meant.
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(asked.at(-1)).toMatch(/^bytes=[1-9]\d*-$/);
    expect(lines.filter((line) => line.includes("interrupted"))).toHaveLength(asked.length - 1);
    expect(existsSync(`${file}.part`)).toBe(false);
    expect(existsSync(`${file}.part.json`)).toBe(false);
  });

  it("notices a stall and goes on from where it stopped", async () => {
    let calls = 0;
    const url = await serve((request, response) => {
      const start = answerRange(request, response);
      if (calls++ === 0) response.write(content.subarray(0, 50_000));
      else response.end(content.subarray(start));
    });
    const { file, lines, common } = setting();
    await download({ ...common, url, file });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(lines.join("\n")).toMatch(/no data for 0.5 s/);
  });

  it("starts again when the file on the server changed meanwhile", async () => {
    let calls = 0;
    const url = await serve((request, response) => {
      const first = calls++ === 0;
      const start = answerRange(request, response, first ? '"old"' : '"new"');
      if (!first) response.end(content.subarray(start));
      else response.write(Buffer.alloc(1000, 1), () => response.socket?.end());
    });
    const { file, common } = setting();
    await download({ ...common, url, file });
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it("throws wrong bytes away and says what it expected and got", async () => {
    const wrong = Buffer.from("wrong");
    const url = await serve((_, response) => response.end(wrong));
    const { file, common } = setting();
    await expect(download({ ...common, url, file })).rejects.toThrow(
      `expected sha256 ${sha256(content)}, got ${sha256(wrong)}`,
    );
    expect(existsSync(file)).toBe(false);
    expect(existsSync(`${file}.part`)).toBe(false);
  });

  it("gives up after its tries with what to do, and keeps what came", async () => {
    let calls = 0;
    const url = await serve((_, response) => {
      calls++;
      response.writeHead(503).end();
    });
    const { file, common } = setting();
    await expect(download({ ...common, url, file, retries: 3 })).rejects.toThrow(/answered 503.*3 tries/);
    expect(calls).toBe(3);
  });

  it("does not repeat what a server refuses for good", async () => {
    let calls = 0;
    const url = await serve((_, response) => {
      calls++;
      response.writeHead(404).end();
    });
    const { file, common } = setting();
    await expect(download({ ...common, url, file })).rejects.toThrow(/answered 404/);
    expect(calls).toBe(1);
  });

  it("does not ask at all for a file that is there and right", async () => {
    const { file, common } = setting();
    writeFileSync(file, content);
    await download({ ...common, url: "http://127.0.0.1:9/nothing", file });
    expect(readFileSync(file).equals(content)).toBe(true);
  });
});
