import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { archives, chooseArchive, installArchive } from "../../scripts/setup/archive.mjs";
import { findLibtorch } from "../../scripts/setup/libtorch.mjs";
import { makeZip, serve, sha256, temporaryFolder } from "./helpers.js";

const versionHeader = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 5\n#define TORCH_VERSION_PATCH 1\n";
const tiny = makeZip(
  [
    ["libtorch/lib/libtorch_cpu.so", "cpu"],
    ["libtorch/lib/libc10.so", "_ZN3c106detail14torchCheckFailEPKcS2_jRKSs"],
    ["libtorch/include/ATen/core/dispatch/Dispatcher.h", "#pragma once\n"],
    ["libtorch/include/torch/csrc/api/include/torch/version.h", versionHeader],
  ].map(([name = "", text = ""]) => ({ name, data: Buffer.from(text) })),
);

describe("installArchive", () => {
  it("downloads over a bad line, checks, unpacks, and finds the result", async () => {
    let calls = 0;
    const url = await serve((request, response) => {
      const from = Number(request.headers.range?.match(/(\d+)/)?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, { etag: '"1"', "content-length": tiny.length - from });
      if (calls++ === 0) response.write(tiny.subarray(0, 100), () => response.socket?.end());
      else response.end(tiny.subarray(from));
    });
    const cache = temporaryFolder();
    const env = {
      XDG_CACHE_HOME: cache,
      FEWLABELS_LIBTORCH_URL: `${url}/tiny%2Bcpu.zip`,
      FEWLABELS_LIBTORCH_SHA256: sha256(tiny),
    };
    await installArchive(() => {}, env, { retryMs: 5 });
    expect(calls).toBeGreaterThanOrEqual(2);
    expect(readdirSync(join(cache, "fewlabels"))).toEqual(["libtorch"]);
    const found = findLibtorch({ FEWLABELS_LIBTORCH: join(cache, "fewlabels/libtorch") }).found;
    expect(found).toMatchObject({ version: "2.5.1", cuda: false, oldAbi: true });
  });

  it("leaves nothing that looks like a libtorch when the bytes are wrong", async () => {
    const url = await serve((_, response) => response.end("not a zip"));
    const cache = temporaryFolder();
    const env = { XDG_CACHE_HOME: cache, FEWLABELS_LIBTORCH_URL: url, FEWLABELS_LIBTORCH_SHA256: sha256(tiny) };
    await expect(installArchive(() => {}, env)).rejects.toThrow(/wrong checksum/);
    expect(existsSync(join(cache, "fewlabels/libtorch"))).toBe(false);
  });
});

describe("chooseArchive", () => {
  const url = "https://example.org/a.zip";

  it("refuses to download what it has no checksum for, and says how to give one", () => {
    try {
      chooseArchive({ FEWLABELS_LIBTORCH_URL: url });
      expect.unreachable();
    } catch (error) {
      expect(String(error)).toContain("checksum of https://example.org/a.zip is not known");
      expect((error as { hints: string[] }).hints.join("\n")).toContain("FEWLABELS_LIBTORCH_SHA256=");
    }
  });

  it("never uses the table's checksum for another address", () => {
    const platform = Object.keys(archives)[0] ?? "";
    const table = archives[platform] as { sha256: string };
    const before = table.sha256;
    table.sha256 = "a".repeat(64);
    try {
      expect(chooseArchive({}, platform).sha256).toBe("a".repeat(64));
      expect(() => chooseArchive({ FEWLABELS_LIBTORCH_URL: url }, platform)).toThrow(/not known/);
    } finally {
      table.sha256 = before;
    }
  });

  it("refuses a checksum that is none, and a platform without an archive", () => {
    expect(() => chooseArchive({ FEWLABELS_LIBTORCH_URL: url, FEWLABELS_LIBTORCH_SHA256: "abc" })).toThrow(/64 hex/);
    expect(() => chooseArchive({}, "plan9-mips")).toThrow(/no libtorch archive is known for plan9-mips/);
  });

  it("the table holds whole checksums or none", () => {
    for (const { sha256 } of Object.values(archives)) expect(sha256).toMatch(/^([0-9a-f]{64})?$/);
  });
});
