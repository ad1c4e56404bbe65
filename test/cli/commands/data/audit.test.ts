// fewlabels data audit, as its user sees it: what it prints, the table, the sheet, and what it says of a wrong folder.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../setup/helpers.js";
import { noisy, pictureFolder } from "../../../support/pictures.js";
import { describeTraining, fewlabels } from "../../run-cli.js";

describeTraining("fewlabels data audit", () => {
  test("a planted wrong label on the screen, in a table safe for spreadsheets and on the sheet; a folder of nothing is exit 3", {
    timeout: 60_000,
  }, async () => {
    const colors = { "=red": [190, 40, 40], "=green": [40, 190, 40] } as const;
    const made = Object.entries(colors).flatMap(([name, color], k) =>
      Array.from({ length: 6 }, (_, i) => [`${name}/${i}.png`, noisy(10 * k + i, color)] as const),
    );
    const wrong = noisy(99, colors["=red"]);
    const { dir, remove } = await pictureFolder({ ...Object.fromEntries(made), "=green/<wrong>.png": wrong });
    const work = temporaryFolder();
    const [out, sheet] = [join(work, "audit.csv"), join(work, "audit.html")];
    const done = await fewlabels(["data", "audit", dir, "--threads", "1", "--out", out, "--sheet", sheet]);
    expect(done.err).not.toMatch(/left out|rror/);
    expect(done.code).toBe(0);
    expect(done.out).toContain("13 labeled, 0 unlabeled, 0 test pictures");
    expect(done.out).toContain("without a trained network");
    expect(done.out).toMatch(/\n {2}=green\/<wrong>\.png: labeled =green, looks like =red \([01]\.\d\d\)\n/);
    expect(done.out).toContain(`all of it is in ${out} and ${sheet}`);
    const [head, row] = readFileSync(out, "utf8").split("\n");
    expect(head).toBe("problem,part,file,label,suggested,other,score");
    expect(row).toMatch(/^label,train,'=green\/<wrong>\.png,'=green,'=red,,[01]\.\d{4}$/);
    const html = readFileSync(sheet, "utf8");
    expect(html).toContain("=green/&#60;wrong&#62;.png");
    expect(html).toContain('src="data:image/jpeg;base64,');
    expect(html).not.toContain("<wrong>");

    for (const flags of [["--size", "64"], ["--device", "cpu"], ["--no-cache"]]) {
      const idle = await fewlabels(["data", "audit", dir, ...flags]);
      expect(idle.code).toBe(2);
      expect(idle.err).toContain(`${flags[0]} has no effect here: it needs --features`);
    }

    const empty = join(work, "empty");
    mkdirSync(empty);
    const none = await fewlabels(["data", "audit", empty]);
    expect([none.code, none.out]).toEqual([3, ""]);
    expect(none.err).toContain("not one picture could be read");
    remove();
  });
});
