// `fewlabels label`: what it refuses and how, and that it starts, listens and goes.
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { appBuilt } from "../../support/app.js";
import { addPictures, flat } from "../../support/pictures.js";
import { folderOfThisFile } from "../../support/train-run.js";
import { describeTraining, fewlabels, start } from "../run-cli.js";

const folder = folderOfThisFile();
const label = (...args: string[]) => fewlabels(["label", ...args], { cwd: folder });
/** A studio's folder, in which something may then go wrong. */
async function begin(out: string): Promise<void> {
  const running = start(["label", "photos", "--out", out, "--port", "0", "--no-train"], { cwd: folder });
  await running.seen(/127\.0\.0\.1/);
  running.child.kill("SIGTERM");
  expect((await running.finished).code).toBe(0);
}
/** Takes away what is there for what `make` puts in its place. */
function replace(name: string, make: (path: string) => void): void {
  const path = join(folder, name);
  rmSync(path, { force: true });
  make(path);
}

describeTraining("fewlabels label", () => {
  beforeAll(() => addPictures(join(folder, "photos"), { "a.png": flat([9, 9, 9]), "b.png": flat([99, 9, 9]) }));

  test("a user's mistake is one sentence and an exit code, and nothing is written", async () => {
    mkdirSync(join(folder, "empty"));
    mkdirSync(join(folder, "taken"));
    writeFileSync(join(folder, "taken", "studio.json"), '{"dir":"/elsewhere","reserve":[]}');
    const cases: readonly (readonly [string[], number, RegExp])[] = [
      [["nowhere"], 2, /nowhere: there is no such folder/],
      [["empty"], 3, /there is no picture in this folder/],
      [["photos", "--run", "x", "--weights", "y"], 2, /--weights and --run both/],
      [["photos", "--run", "empty"], 2, /is no run folder/],
      [["photos", "--weights", "resnet"], 2, /unknown file or weights "resnet"/],
      [["photos", "--method", "nonsense"], 2, /unknown method "nonsense"/],
      [["photos", "--method", "linear-probe"], 2, /needs the features of a trained network/],
      [["photos", "--classes", "cat,=1"], 2, /cannot be called "=1"/],
      [["photos", "--out", "taken"], 2, /holds the labels of \/elsewhere/],
    ];
    const found = await Promise.all(cases.map(([args]) => label(...args)));
    for (const [i, { code, err, out }] of found.entries()) {
      const [args, wanted, words] = cases[i]!;
      expect([args.join(" "), code]).toEqual([args.join(" "), wanted]);
      expect(err).toMatch(words);
      expect(err).not.toMatch(/\n\s+at /);
      expect(out).toBe("");
    }
    expect(readdirSync(join(folder, "photos"))).toEqual(["a.png", "b.png"]);
  }, 120_000);

  test.skipIf(!appBuilt)(
    "says where it listens and where labels go, ends at a signal with exit code 0, and goes on",
    async () => {
      const once = async () => {
        const running = start(["label", "photos", "--port", "0", "--no-train", "--classes", "cat"], { cwd: folder });
        await running.seen(
          /http:\/\/127\.0\.0\.1:\d+\/ shows 2 pictures of photos, 0 of them with a label\. .*labels\/photos/,
        );
        running.child.kill("SIGTERM");
        return running.finished;
      };
      for (const { code, err } of [await once(), await once()]) {
        expect(code).toBe(0);
        expect(err).toBe("The labels are in labels/photos/labels.csv. The same command goes on.\n");
      }
      expect(existsSync(join(folder, "labels", "photos", "labels.csv"))).toBe(true);
    },
    120_000,
  );

  test.skipIf(!appBuilt || !existsSync("/dev/full"))(
    "on a full disk every answer is refused in a sentence, on the page and in the terminal",
    async () => {
      await begin("full");
      replace("full/answers.jsonl", (path) => symlinkSync("/dev/full", path));
      const running = start(["label", "photos", "--out", "full", "--port", "0", "--no-train", "--json"], {
        cwd: folder,
      });
      let out = "";
      running.child.stdout!.on("data", (part) => (out += part));
      await running.seen(/\n/);
      const { url } = JSON.parse(out);
      const [, token = ""] = /name="fewlabels-token" content="([^"]+)"/.exec(await (await fetch(url)).text()) ?? [];
      const answer = await fetch(`${url}api/answer`, {
        method: "POST",
        headers: { "x-fewlabels-token": token },
        body: JSON.stringify({ by: "", do: "label", rows: [0], class: "cat" }),
      });
      running.child.kill("SIGTERM");
      const { code, err } = await running.finished;
      const sentence =
        /cannot write \S*answers.jsonl: ENOSPC.*The disk is full: free some space or choose another place/;
      expect([answer.status, (await answer.json()).error]).toEqual([507, expect.stringMatching(sentence)]);
      expect(err).toMatch(sentence);
      expect(err).not.toMatch(/\n\s+at /);
      expect(code).toBe(0);
    },
    60_000,
  );

  test.skipIf(!appBuilt)(
    "labels files and runs that cannot be written do not end it; at the end it says where the answers are",
    async () => {
      await begin("blocked");
      replace("blocked/labels.csv", mkdirSync);
      replace("blocked/runs", (path) => writeFileSync(path, ""));
      const running = start(["label", "photos", "--out", "blocked", "--port", "0"], { cwd: folder });
      await running.seen(/127\.0\.0\.1/);
      await new Promise((resolve) => setTimeout(resolve, 3000)); // several looks at the disk
      running.child.kill("SIGTERM");
      const { code, err } = await running.finished;
      expect(err).toMatch(/^cannot write \S+labels\.csv: EISDIR.*\. The answers are in blocked\/answers\.jsonl/);
      expect(err).not.toMatch(/\n\s+at /);
      expect(code).toBe(1);
    },
    60_000,
  );
});
