// The real MNIST files, where they are, served on loopback in place of the official addresses.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Progress } from "../../../../src/cli/progress.js";
import { mnist } from "../../../../src/data/mnist.js";
import { Rng } from "../../../../src/rng.js";
import { temporaryFolder } from "../../../setup/helpers.js";
import { type Fault, serveFiles } from "../../../support/file-server.js";
import { describeData, mnistDir } from "../../../support/real-data.js";
import { describeBinary, describeTraining, lastJson, start } from "../../run-cli.js";

const download = (name: string, dir: string, mirror: string, ...flags: string[]) =>
  start(["data", "download", name, "--data", dir, ...flags], { env: { FEWLABELS_MIRROR: mirror } });

/** Exit code and one message, no stack trace, nothing on stdout. */
async function expectError(run: ReturnType<typeof start>, code: number, message: RegExp) {
  const finished = await run.finished;
  expect(finished.err).toMatch(message);
  expect(finished.err).not.toMatch(/^ {4}at /m);
  expect(finished.code).toBe(code);
  return finished;
}

describeBinary("fewlabels data download", () => {
  it("exits 2 on wrong usage", async () => {
    const dir = temporaryFolder();
    await expectError(start(["data", "download"]), 2, /expected a name for NAME, got nothing \(cifar10/);
    await expectError(
      download("cifar01", dir, ""),
      2,
      /unknown data set to download "cifar01"\. Did you mean "cifar10"/,
    );
    await expectError(download("cifar10", dir, "", "--extra"), 2, /--extra is for svhn; cifar10 has no extra images/);
    await expectError(
      download("mnist", dir, "", "--timeout", "soon"),
      2,
      /expected a number in 0\.1\.\.3600 for --timeout, got "soon"/,
    );
    await expectError(download("mnist", dir, "ftp://x/y"), 2, /http or https address in FEWLABELS_MIRROR, got "ftp:/);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("exits 1 where the server does not have the file, and says what else can be done", async () => {
    const { url, asked } = await serveFiles({});
    const dir = temporaryFolder();
    const { err } = await expectError(
      download("cifar100", dir, url),
      1,
      /cifar-100-binary\.tar\.gz answered 404 Not Found/,
    );
    expect(err).toContain(`save it as ${join(dir, "cifar-100-binary", "cifar-100-binary.tar.gz")}`);
    expect(asked).toEqual(["cifar-100-binary.tar.gz"]);
  });

  it("exits 3 on wrong bytes and keeps nothing of them", async () => {
    const { url, asked } = await serveFiles({ "train_32x32.mat": Buffer.alloc(182_040_794 % 1000) });
    const dir = temporaryFolder();
    await expectError(download("svhn", dir, url), 3, /expected 182,040,794 bytes, the server has 794 bytes/);
    expect(readdirSync(join(dir, "svhn"))).toEqual([]);
    expect(asked).toEqual(["train_32x32.mat"]);
  });

  it("exits 3 where it cannot write", async () => {
    const dir = join(temporaryFolder(), "file");
    writeFileSync(dir, "");
    await expectError(
      download("mnist", dir, "http://127.0.0.1:9"),
      3,
      /cannot make .*Choose another folder with --data/,
    );
  });
});

describeData(mnistDir)("fewlabels data download mnist", () => {
  const names = readdirIfThere(mnistDir).filter((name) => name.endsWith(".gz"));
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(mnistDir, name))]));
  const big = "train-images-idx3-ubyte.gz";
  const setting = async (...faults: Fault[]) => ({ ...(await serveFiles(files, faults)), dir: temporaryFolder() });

  describeBinary("the command", () => {
    it("survives a cut, ends with the command to run next, and what it wrote loads", async () => {
      const { url, dir, asked } = await setting({ cutAfter: 4_000_000 });
      const { code, out, err } = await download("mnist", dir, url).finished;
      expect([code, err]).toEqual([0, ""]);
      expect(out).toMatch(/download interrupted: .*; going on from [\d,]+ bytes/);
      expect(out).toMatch(/train-images-idx3-ubyte\.gz {2}9\.9 of 9\.9 MB {2}100 %/);
      expect(out).toMatch(/4 of 4 files fetched \(11,594,722 bytes\), all checked/);
      expect(out.trimEnd().split("\n").at(-1)).toBe(`next: fewlabels train --dataset mnist --data ${dir} --labels 100`);
      expect(asked[1]).toMatch(/^train-images-idx3-ubyte\.gz from [1-9]/);
      expect(asked).toHaveLength(5);
      const { train, test } = await mnist.load({ dir, rng: Rng.fromSeed(0), options: { train: 60_000 } });
      expect([train.count, test.count]).toEqual([60_000, 10_000]);
    });

    it("prints one JSON line, and fetches nothing the second time", async () => {
      const { url, dir, asked } = await setting();
      const once = await download("mnist", dir, url, "--json").finished;
      expect([once.code, once.out.trimEnd().split("\n").length]).toEqual([0, 1]);
      expect(lastJson(once.out)).toMatchObject({
        dataset: "mnist",
        folder: join(dir, "mnist"),
        downloadedBytes: 11_594_722,
      });
      expect(once.err).toMatch(/100 %/);
      const before = names.map((name) => statSync(join(dir, "mnist", name)).mtimeMs);
      const twice = await download("mnist", dir, url).finished;
      expect(twice.out).toMatch(/all 4 files are in .*nothing was fetched/);
      expect(asked).toHaveLength(4);
      expect(names.map((name) => statSync(join(dir, "mnist", name)).mtimeMs)).toEqual(before);
    });

    it("connects anew where the server stalls", async () => {
      const { url, dir, asked } = await setting({ stallAfter: 1_000_000 });
      const { code, out } = await download("mnist", dir, url, "--timeout", "0.5").finished;
      expect(code).toBe(0);
      expect(out).toMatch(/download interrupted: no data for 0\.5 s; going on from/);
      expect(asked[1]).toMatch(/ from /);
    });

    it("keeps what came when it is interrupted, and goes on from there", async () => {
      const { url, dir, asked } = await setting({ stallAfter: 3_000_000 });
      const run = download("mnist", dir, url);
      await run.seen(/of 9\.9 MB/);
      run.child.kill("SIGINT");
      const { code, err } = await run.finished;
      expect(code).toBe(130);
      expect(err).toBe("stopped; run the same command again: it goes on where it stopped\n");
      const kept = statSync(join(dir, "mnist", `${big}.part`)).size;
      expect(kept).toBeGreaterThan(0);
      expect(existsSync(join(dir, "mnist", big))).toBe(false);
      expect((await download("mnist", dir, url).finished).code).toBe(0);
      expect(asked.slice(0, 2)).toEqual([big, `${big} from ${kept}`]);
      expect(readFileSync(join(dir, "mnist", big)).equals(files[big]!)).toBe(true);
    });

    it("exits 3 on bytes with the right length and the wrong checksum", async () => {
      const { url, dir } = await setting({ content: Buffer.alloc(files[big]!.length) });
      await expectError(
        download("mnist", dir, url),
        3,
        /expected md5 f68b3c2dcbeaaa9fbdd348bbdeb94873, got [0-9a-f]{32}/,
      );
      expect(readdirSync(join(dir, "mnist"))).toEqual([]);
    });
  });
});

describeTraining("train without the files", () => {
  it("names the command that fetches them", async () => {
    const dir = temporaryFolder();
    const train = (...flags: string[]) => start(["train", "--out", join(dir, "run"), "--steps", "1", ...flags]);
    await expectError(train("--dataset", "cifar10"), 2, /needs --data DIR.*`fewlabels data download cifar10` fetches/);
    const empty = train("--dataset", "cifar10", "--data", dir);
    await expectError(empty, 3, new RegExp(`found no data_batch_1.*\`fewlabels data download cifar10 --data ${dir}\``));
    const nowhere = train("--dataset", "mnist", "--data", join(dir, "data"));
    await expectError(nowhere, 3, /there is no folder .*`fewlabels data download mnist --data .*data`/);
  });
});

describe("progress of a download", () => {
  const writes: string[] = [];
  const stream = (isTTY: boolean) => ({ isTTY, columns: 120, write: (text: string) => writes.push(text) });

  it("is a bar with rate and time left on a terminal", () => {
    writes.length = 0;
    const progress = new Progress({ stream: stream(true), env: { NO_COLOR: "1" } });
    progress.download("x.mat", 25_000_000, 100_000_000, 5_000_000);
    expect(writes.at(-1)).toBe(" 25 % [#####---------------] x.mat  25.0 of 100.0 MB  ETA 0:15  5.0 MB/s");
  });

  it("is a line now and then elsewhere, and one at the end", () => {
    writes.length = 0;
    let now = 0;
    const progress = new Progress({ stream: stream(false), now: () => now });
    for (const [at, have] of [
      [0, 1e6],
      [1, 2e6],
      [6, 3e6],
      [7, 4e6],
    ] as const) {
      now = at;
      progress.download("x.mat", have, 4e6, at === 0 ? undefined : 500_000);
    }
    expect(writes).toEqual([
      "x.mat  1.0 of 4.0 MB  25 %\n",
      "x.mat  3.0 of 4.0 MB  75 %  ETA 2.0 s  0.5 MB/s\n",
      "x.mat  4.0 of 4.0 MB  100 %  0.5 MB/s\n",
    ]);
  });
});

function readdirIfThere(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
