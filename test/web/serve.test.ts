// `fewlabels serve` over real sockets: answers, refusals, batches, hostile clients, a graceful stop.
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPredictor } from "../../src/inference/predict.js";
import { Rng } from "../../src/rng.js";
import { batchedClassifier } from "../../src/web/classifier.js";
import { classifyRoutes } from "../../src/web/classify-routes.js";
import { openJudge } from "../../src/web/open-judge.js";
import { type RunningServer, startServer } from "../../src/web/server.js";
import { describeEngine } from "../support/engine.js";
import { bomb, flat, noisy } from "../support/pictures.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const run = join(folder, "run");
const faults: unknown[] = [];
let server: RunningServer;
let classifier: ReturnType<typeof batchedClassifier>;
let png: Buffer;
let jpeg: Buffer;

describeEngine("serve", () => {
  beforeAll(async () => {
    await trainToEnd(configure(run, { method: "supervised", steps: 3 }));
    const { judge, about } = await openJudge(run, { threads: 1, maxMegapixels: 4 });
    classifier = batchedClassifier(judge, 8);
    server = await startServer({
      handle: classifyRoutes({ classifier, about }),
      port: 0,
      limits: { body: 200_000, requests: 16, arrival: 1500 },
      onFault: (error) => faults.push(error),
    });
    png = await noisy(1, [90, 30, 160], { width: 40, height: 30 }).png().toBuffer();
    jpeg = await noisy(2, [20, 200, 60], { width: 50, height: 50 }).jpeg().toBuffer();
  });
  afterAll(() => server?.stop(500));

  const post = (body: string | Uint8Array<ArrayBuffer> | FormData, headers: Record<string, string> = {}) =>
    fetch(`${server.url}classify`, { method: "POST", body, headers });
  const bytes = (content: Uint8Array) => Uint8Array.from(content);
  const form = (files: Record<string, Uint8Array>) => {
    const data = new FormData();
    for (const [name, content] of Object.entries(files)) data.append(name, new Blob([bytes(content)]), name);
    return data;
  };
  const alive = async () => {
    const response = await post(bytes(png));
    expect(response.status).toBe(200);
    return (await response.json()) as { class: string; probability: number; probabilities: Record<string, number> };
  };

  test("one picture: the class and probabilities of predict", async () => {
    const path = join(folder, "one.png");
    writeFileSync(path, png);
    const predicted = [];
    for await (const prediction of (await openPredictor(run, { threads: 1 })).predict([path]))
      predicted.push(prediction);
    const [expected] = predicted;
    if (!expected || "error" in expected) throw new Error("predict failed");
    const got = await alive();
    expect(got.class).toBe(expected.class);
    expect(Object.values(got.probabilities)).toHaveLength(10);
    Object.values(got.probabilities).forEach((p, k) => {
      expect(p).toBeCloseTo(expected.probabilities[k]!, 5);
    });
  });

  test("several pictures: in order, by name, what is no picture beside them", async () => {
    const response = await post(form({ "a.png": png, "notes.txt": Buffer.from("hello"), "b.jpg": jpeg }));
    expect(response.status).toBe(200);
    const { pictures } = (await response.json()) as { pictures: Record<string, unknown>[] };
    expect(pictures.map((p) => p.file)).toEqual(["a.png", "notes.txt", "b.jpg"]);
    expect(pictures[1]).toEqual({ file: "notes.txt", error: "not a picture, or its beginning is damaged" });
    expect(pictures[2]).toHaveProperty("class");
  });

  test.each<[string, () => Promise<Response>, number, RegExp]>([
    ["an empty body", () => post(""), 400, /empty/],
    ["text", () => post("no picture"), 422, /not a picture/],
    ["a cut PNG", () => post(bytes(png.subarray(0, 200))), 422, /cut short|damaged/],
    ["a long body", () => post(new Uint8Array(200_001)), 413, /200000 bytes/],
    ["a bomb", async () => post(bytes(await bomb(50_000))), 422, /more than 4 megapixels/],
    [
      "65 pictures",
      () => post(form(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`${i}`, new Uint8Array(1)])))),
      413,
      /65 pictures/,
    ],
    [
      "a broken multipart body",
      () => post("--x\r\nnothing", { "content-type": "multipart/form-data; boundary=x" }),
      400,
      /multipart/,
    ],
    ["multipart without boundary", () => post("nothing", { "content-type": "multipart/form-data" }), 400, /multipart/],
    [
      "only text parts",
      () =>
        post('--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n', {
          "content-type": "multipart/form-data; boundary=x",
        }),
      400,
      /no file/,
    ],
    ["GET", () => fetch(`${server.url}classify`), 405, /POST/],
    ["another path", () => fetch(`${server.url}etc/passwd`), 404, /\/classify/],
    ["a path that is none", () => fetch(`${server.url}%E0%A4%A`), 400, /address/],
  ])("refuses %s", async (_, ask, status, message) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toMatch(/json/);
    expect(((await response.json()) as { error: string }).error).toMatch(message);
    await alive();
  });

  test("says how it is", async () => {
    const health = await (await fetch(`${server.url}health`)).json();
    expect(health).toMatchObject({ status: "ok", classes: 10, role: "teacher" });
  });

  test("refuses a name that is not this machine's", async () => {
    expect(await raw("GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")).toMatch(
      /^HTTP\/1.1 421/,
    );
  });

  test("pictures that come together go through the network together, and more than allowed at once are told to wait", async () => {
    const [pictures, passes] = [classifier.pictures, classifier.passes];
    const answers = await Promise.all(Array.from({ length: 40 }, () => post(bytes(png))));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((s) => s === 200).length).toBeGreaterThanOrEqual(16);
    expect(new Set(statuses)).toEqual(new Set(statuses.includes(503) ? [200, 503] : [200]));
    const judged = classifier.pictures - pictures;
    expect(judged).toBe(statuses.filter((s) => s === 200).length);
    expect(classifier.passes - passes).toBeLessThan(judged);
  });

  /** Sends bytes over a socket and gives what comes back until it closes. */
  const raw = (text: string | Uint8Array, { half = false } = {}): Promise<string> =>
    new Promise((resolve) => {
      let got = "";
      const socket = connect(server.port, "127.0.0.1", () => {
        socket.write(text);
        if (half) socket.end();
      });
      socket.on("data", (part) => {
        got += part.toString("latin1");
      });
      socket.on("error", () => resolve(got));
      socket.on("close", () => resolve(got));
    });
  const head = (length: number) =>
    `POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;

  test("half-closed sockets are answered or closed; half a body and a body that never comes are let go", async () => {
    expect(await raw(Buffer.concat([Buffer.from(head(png.length)), png]), { half: true })).toMatch(
      /^(HTTP\/1.1 200|$)/,
    );
    expect(await raw(`${head(1000)}abc`, { half: true })).not.toMatch(/ 200 /);
    const started = performance.now();
    expect(await raw(`${head(1000)}abc`)).toMatch(/^(HTTP\/1.1 (408|400)|$)/);
    expect(await raw("POST /classify HTT")).toMatch(/^(HTTP\/1.1 (408|400)|$)/);
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(await raw("\x16\x03\x01 nonsense\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
    expect(await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(100_000)}\r\n\r\n`)).toMatch(
      /^(HTTP\/1.1 431|$)/,
    );
    await alive();
  });

  test("200 mutated pictures: an answer each, no fault, and it goes on", async () => {
    const rng = Rng.fromSeed(7);
    for (let i = 0; i < 200; i++) {
      const content = bytes(i % 2 === 0 ? png : jpeg);
      for (let k = 0; k < 1 + rng.integer(20); k++) content[rng.integer(content.length)] = rng.integer(256);
      const response = await post(i % 5 === 0 ? content.subarray(0, rng.integer(content.length)) : content);
      expect([200, 400, 422]).toContain(response.status);
      await response.arrayBuffer();
    }
    expect(faults).toEqual([]);
    await alive();
  });

  test("stops gracefully: what is under way is answered, new requests are not taken", async () => {
    const { judge, about } = await openJudge(run, { threads: 1, maxMegapixels: 4 });
    const other = await startServer({
      handle: classifyRoutes({ classifier: batchedClassifier(judge), about }),
      port: 0,
    });
    const large = await flat([9, 9, 9], 1500, 1500).png().toBuffer();
    const answer = fetch(`${other.url}classify`, { method: "POST", body: bytes(large) });
    while (other.busy === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await other.stop();
    expect((await answer).status).toBe(200);
    await expect(fetch(`${other.url}health`)).rejects.toThrow();
  });

  test("a port that is taken is a usage error", async () => {
    const again = startServer({ handle: () => ({ status: 200 }), port: server.port });
    await expect(again).rejects.toThrow(/port \d+: another program has it/);
  });

  test("the run folder is as it was", () => {
    expect(readFileSync(join(run, "config.json"), "utf8")).toContain("digits");
  });
});
