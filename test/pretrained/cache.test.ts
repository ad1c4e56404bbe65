// Official weights: table, cache folder, download with checksum against a local server.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DataError, DownloadError, UsageError } from "../../src/errors.js";
import { findModel } from "../../src/models/index.js";
import {
  cached,
  findWeights,
  getWeights,
  locateWeights,
  weightsFolder,
  weightsOf,
} from "../../src/pretrained/cache.js";
import { type OfficialWeights, officialWeights } from "../../src/pretrained/official-weights.js";
import { serve, temporaryFolder } from "../setup/helpers.js";
import { serveFiles } from "../support/file-server.js";

const content = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 31) % 251));
const sha256 = createHash("sha256").update(content).digest("hex");
const quick = { stallSeconds: 2, pauseSeconds: 0.005 };

function row(url: string, changes: Partial<OfficialWeights> = {}): OfficialWeights {
  return {
    ...officialWeights[0]!,
    name: "mine",
    url: `${url}/net-${sha256.slice(0, 8)}.pth`,
    sha256: sha256.slice(0, 8),
    ...changes,
  };
}
const fileName = `net-${sha256.slice(0, 8)}.pth`;

describe("official weights", () => {
  test("each is of a network there is, with a checksum or from the hub, and says its licence", () => {
    for (const { name, model, url, sha256: digits, licence, size } of officialWeights) {
      expect(() => findModel(model), name).not.toThrow();
      expect(digits ? url.includes(digits) : new URL(url).host === "huggingface.co", name).toBe(true);
      expect([licence.length > 5, size]).toEqual([true, 224]);
    }
    expect(new Set(officialWeights.map(({ name }) => name)).size).toBe(officialWeights.length);
  });

  test("efficientnet-b0 is the file that torchvision serves, which it named by another content at first", () => {
    const { url, sha256: digits } = weightsOf("efficientnet-b0.tv1");
    expect(url).toMatch(/efficientnet_b0_rwightman-7f5810bc\.pth$/);
    expect("7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934".startsWith(digits!)).toBe(true);
  });

  test("a network's name means the best of its weights", () => {
    expect(findWeights("resnet-50")?.name).toBe("resnet-50.tv2");
    expect(() => weightsOf("resnet-50.tv3")).toThrow(/Did you mean "resnet-50.tv[12]"/);
  });

  test("the cache follows the environment", () => {
    expect(weightsFolder({ FEWLABELS_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a/weights");
    expect(weightsFolder({ XDG_CACHE_HOME: "/b" })).toBe("/b/fewlabels/weights");
    expect(weightsFolder({})).toMatch(/\.cache\/fewlabels\/weights$/);
  });
});

describe("getWeights", () => {
  test("fetches, checks, notes the whole checksum beside the file, and fetches nothing the second time", async () => {
    const { url, asked } = await serveFiles({ [fileName]: content });
    const folder = join(temporaryFolder(), "new", "weights");
    const sizes: number[] = [];
    const got = await getWeights(row(url), { folder, ...quick, onSize: (n) => sizes.push(n) });
    expect(got).toMatchObject({ path: join(folder, "mine.pth"), sha256, fetched: true });
    expect(sizes).toEqual([content.length]);
    expect(readFileSync(got.path).equals(content)).toBe(true);
    expect(JSON.parse(readFileSync(`${got.path}.json`, "utf8"))).toMatchObject({ sha256, bytes: content.length });
    const requests = asked.length;
    expect(await getWeights(row(url), { folder })).toMatchObject({ fetched: false, sha256 });
    expect(asked).toHaveLength(requests);
  });

  test("two at once fetch it once, the second waits", async () => {
    const { url, asked } = await serveFiles({ [fileName]: content });
    const folder = temporaryFolder();
    const both = await Promise.all([0, 1].map(() => getWeights(row(url), { folder, ...quick })));
    expect(both.map(({ fetched }) => fetched).sort()).toEqual([false, true]);
    expect(both.every(({ path }) => readFileSync(path).equals(content))).toBe(true);
    expect(asked).toHaveLength(3); // size of each, and one content
  });

  test("goes on where a broken connection stopped", async () => {
    const { url, asked } = await serveFiles({ [fileName]: content }, [{}, { cutAfter: 150_000 }]);
    const folder = temporaryFolder();
    await getWeights(row(url), { folder, ...quick });
    expect(asked.at(-1)).toMatch(/ from [1-9]/);
  });

  test("keeps what came where a page to log in answers", async () => {
    const page = { content: Buffer.from("<html>log in first</html>"), contentType: "text/html" };
    const { url } = await serveFiles({ [fileName]: content }, [page]);
    const folder = temporaryFolder();
    writeFileSync(join(folder, "mine.pth.part"), content.subarray(0, 1000));
    const failed = getWeights(row(url), { folder, ...quick });
    await expect(failed).rejects.toThrow(/answered with a web page .*What has come is kept/);
    await expect(failed).rejects.toThrow(DownloadError);
    expect(readFileSync(join(folder, "mine.pth.part"))).toHaveLength(1000);
    expect(await getWeights(row(url), { folder, ...quick })).toMatchObject({ fetched: true, sha256 });
  });

  test("another content is thrown away", async () => {
    const { url } = await serveFiles({ [fileName]: Buffer.from(content).fill(7, 100, 200) });
    const folder = temporaryFolder();
    await expect(getWeights(row(url), { folder, ...quick })).rejects.toThrow(DataError);
    await expect(getWeights(row(url), { folder, ...quick })).rejects.toThrow(/expected sha256 [0-9a-f]{8}, got/);
    expect([existsSync(join(folder, "mine.pth")), cached(row(url), folder)]).toEqual([false, undefined]);
  });

  test("of a file on the hub, size and checksum come from its answer, through redirects", async () => {
    let digits = sha256;
    const url = await serve((request, response) => {
      if (request.url === "/hub/model.safetensors") {
        response
          .writeHead(302, { location: "/blob", "x-linked-etag": `"${digits}"`, "x-linked-size": content.length })
          .end();
      } else response.writeHead(200, { "content-length": content.length }).end(content);
    });
    const { sha256: _, ...hub } = row(url, { url: `${url}/hub/model.safetensors` });
    const folder = temporaryFolder();
    expect(await getWeights(hub, { folder, ...quick })).toMatchObject({
      sha256,
      path: join(folder, "mine.safetensors"),
    });
    digits = "0".repeat(64);
    await expect(getWeights(hub, { folder: temporaryFolder(), ...quick })).rejects.toThrow(/expected sha256 0000/);
  });

  test("a server that names no checksum for such a file, or is not there, says what to do", async () => {
    const { url } = await serveFiles({ "model.safetensors": content });
    const { sha256: _, ...hub } = row(url, { url: `${url}/model.safetensors` });
    await expect(getWeights(hub, { folder: temporaryFolder(), ...quick })).rejects.toThrow(/does not say its checksum/);
    await expect(getWeights(row("http://127.0.0.1:9"), { folder: temporaryFolder(), ...quick })).rejects.toThrow(
      DownloadError,
    );
    await expect(getWeights(row(url), { folder: temporaryFolder(), ...quick })).rejects.toThrow(/answered 404/);
  });
});

describe("locateWeights", () => {
  test("a file is itself, a name what is in the cache, and what is not here names the command", () => {
    const folder = temporaryFolder();
    const file = join(folder, "resnet-18.tv1");
    expect(() => locateWeights("resnet-18.tv1", folder)).toThrow(
      /`fewlabels weights get resnet-18.tv1` fetches it \(44.7 MB\)/,
    );
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${file}.pth`, "x");
    expect(locateWeights("resnet-18.tv1", folder)).toBe(`${file}.pth`);
    expect(locateWeights(`${file}.pth`, folder)).toBe(`${file}.pth`);
    expect(() => locateWeights("resnet-18.tv9", folder)).toThrow(UsageError);
    expect(() => locateWeights("none/net.pth", folder)).toThrow(/no such file/);
  });

  test("a folder hides no name, and is no file", () => {
    const [folder, here] = [temporaryFolder(), process.cwd()];
    mkdirSync(join(folder, "resnet-18.tv1"), { recursive: true });
    writeFileSync(join(folder, "resnet-18.tv1.pth"), "x");
    process.chdir(folder);
    try {
      expect(locateWeights("resnet-18.tv1", folder)).toBe(join(folder, "resnet-18.tv1.pth"));
    } finally {
      process.chdir(here);
    }
    expect(() => locateWeights(folder, folder)).toThrow(DataError);
    expect(() => locateWeights(folder, folder)).toThrow(/expected a file of weights .*, got a folder/);
  });
});
