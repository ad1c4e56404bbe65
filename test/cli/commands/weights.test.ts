// fewlabels weights and embed, as their user sees them.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readSafetensors } from "../../../src/files/safetensors.js";
import { temporaryFolder } from "../../setup/helpers.js";
import { serveFiles } from "../../support/file-server.js";
import { noisy, pictureFolder } from "../../support/pictures.js";
import { describeTraining, fewlabels } from "../run-cli.js";

const made = fileURLToPath(new URL("../../reference/torch-files/", import.meta.url));

describeTraining("fewlabels weights", () => {
  test("list --json: names, models, licences, and what is here", async () => {
    const { code, out } = await fewlabels(["weights", "list", "--json"], {
      env: { FEWLABELS_CACHE: temporaryFolder() },
    });
    expect(code).toBe(0);
    const rows = JSON.parse(out);
    expect(rows.find(({ name }: { name: string }) => name === "resnet-18.tv1")).toMatchObject({
      model: "resnet-18",
      sha256: "f37072fd",
      here: null,
    });
  });

  test("get from a mirror that serves something else: thrown away, exit 3; from none: exit 1; an unknown name: exit 2", async () => {
    const cache = temporaryFolder();
    const { url } = await serveFiles({ "resnet18-f37072fd.pth": Buffer.from("not the weights") });
    const wrong = await fewlabels(["weights", "get", "resnet-18.tv1"], {
      env: { FEWLABELS_CACHE: cache, FEWLABELS_MIRROR: url },
    });
    expect([wrong.code, wrong.err]).toEqual([3, expect.stringMatching(/expected sha256 f37072fd, got [0-9a-f]{64}/)]);
    expect(existsSync(join(cache, "weights", "resnet-18.tv1.pth"))).toBe(false);
    const gone = await fewlabels(["weights", "get", "resnet-34"], {
      env: { FEWLABELS_CACHE: cache, FEWLABELS_MIRROR: url },
    });
    expect([gone.code, gone.err]).toEqual([1, expect.stringMatching(/answered 404/)]);
    expect((await fewlabels(["weights", "get", "resnet-99"])).code).toBe(2);
  });

  test("weights that are here with a note that a full disk cut short; the command to go on with leaves their sizes to them", async () => {
    const cache = temporaryFolder();
    const env = { FEWLABELS_CACHE: cache };
    const path = join(cache, "weights", "dinov2-s14.safetensors");
    mkdirSync(join(cache, "weights"));
    writeFileSync(path, "");
    writeFileSync(`${path}.json`, '{"name"');
    const { code, out } = await fewlabels(["weights", "get", "dinov2-s14"], { env });
    expect(code).toBe(0);
    expect(out).toContain(`${path}; nothing was fetched`);
    expect(out).toMatch(/^next: fewlabels train --dataset folder --data DIR --model\.weights dinov2-s14$/m);
    expect((await fewlabels(["weights", "list"], { env })).out).toMatch(/dinov2-s14.*\(here\)/);
  });

  test("info FILE: what is in it; a pickle that calls os.system is refused with exit 3, and nothing ran", async () => {
    const info = await fewlabels(["weights", "info", join(made, "averaged.zip.pth"), "--json"]);
    expect(JSON.parse(info.out)).toMatchObject({ tensors: 14, under: ["model_ema"], network: null });
    const folder = temporaryFolder();
    const [bad, proof] = [join(folder, "bad.pth"), join(folder, "proof")];
    const order = `touch ${proof}`;
    writeFileSync(
      bad,
      Buffer.from(`\x80\x02cposix\nsystem\nX${String.fromCharCode(order.length)}\0\0\0${order}\x85R.`, "latin1"),
    );
    const refused = await fewlabels(["weights", "info", bad]);
    expect([refused.code, refused.err]).toEqual([3, expect.stringMatching(/names posix.system.*Nothing was executed/)]);
    expect(existsSync(proof)).toBe(false);
  });

  test("a file by whose tensors no network is known: which ones are, and that a run's folder says it", async () => {
    const own = join(made, "averaged.zip.pth");
    const words = "not recognized by its tensors, as only resnet, mobilenet-v2, .* and efficientnet are.";
    expect((await fewlabels(["weights", "info", own])).out).toMatch(RegExp(`${words} .*a run's config.json names it`));
    const embedded = await fewlabels(["embed", own, made, "--out", join(temporaryFolder(), "e.npy")]);
    expect(embedded.code).toBe(3);
    expect(embedded.err).toMatch(
      RegExp(`averaged.zip.pth: the network is ${words} .*weights of a run, give its folder`),
    );
  });
});

describeTraining("fewlabels embed", () => {
  test("weights that are not here name the command; a wrong ending of --out is refused", async () => {
    const env = { FEWLABELS_CACHE: temporaryFolder() };
    const away = await fewlabels(["embed", "resnet-18.tv1", "x.png", "--out", "x.npy"], { env });
    expect([away.code, away.err]).toEqual([
      2,
      expect.stringMatching(/^fewlabels: .*`fewlabels weights get resnet-18.tv1` fetches it/),
    ]);
    // Not `model.weights`, which nobody gave here.
    const unknown = await fewlabels(["embed", "mien", "x.png", "--out", "x.npy"], { env });
    expect([unknown.code, unknown.err]).toEqual([
      2,
      expect.stringMatching(/^fewlabels: unknown run folder, file or weights "mien"/),
    ]);
    expect((await fewlabels(["embed", "resnet-18.tv1", "x.png", "--out", "x.txt"], { env })).code).toBe(2);
  });

  test("the same rows as safetensors and .npy, with names", async () => {
    const { dir, remove } = await pictureFolder({ "a.png": noisy(1, [90, 90, 90]), "b.png": noisy(2, [200, 90, 90]) });
    const env = { FEWLABELS_CACHE: join(dir, "cache") };
    const train = [
      "train",
      "--dataset",
      "digits",
      "--labels",
      "20",
      "--steps",
      "2",
      "--batch",
      "4",
      "--model",
      "convnet-tiny",
      "--method",
      "supervised",
    ];
    expect((await fewlabels([...train, "--out", join(dir, "run"), "--threads", "1"])).code).toBe(0);
    const pictures = [join(dir, "a.png"), join(dir, "b.png"), join(dir, "c.png")];
    const first = await fewlabels(["embed", join(dir, "run"), ...pictures, "--out", join(dir, "f.safetensors")], {
      env,
    });
    expect([first.code, first.out, first.err]).toEqual([
      0,
      expect.stringMatching(/^2 pictures, \d+ numbers each/),
      expect.stringMatching(/c.png: there is no such file/),
    ]);
    const second = await fewlabels(["embed", join(dir, "run"), ...pictures, "--out", join(dir, "f.npy"), "--json"], {
      env,
    });
    const facts = JSON.parse(second.out);
    expect(facts).toMatchObject({ pictures: 2, cached: 2, damaged: 1 });
    const features = readSafetensors(join(dir, "f.safetensors")).get("features")!;
    expect(features.shape).toEqual([2, facts.size]);
    const npy = readFileSync(join(dir, "f.npy"));
    const start = 10 + npy.readUInt16LE(8);
    expect(npy.toString("latin1", 10, start)).toContain(
      `'descr': '<f4', 'fortran_order': False, 'shape': (2, ${facts.size})`,
    );
    expect(start % 64).toBe(0);
    const digest = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest("hex");
    expect(digest(npy.subarray(start))).toBe(digest(features.bytes));
    expect(readFileSync(join(dir, "f.names.txt"), "utf8")).toBe(`${pictures.slice(0, 2).join("\n")}\n`);
    remove();
  });
});
