/** Label files as programs write them: separators, quotes, encodings, rows without a label. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.js";
import { parseLabelFile } from "../../src/labels/label-file.js";
import { parseRows, readLabelTable } from "../../src/labels/label-rows.js";
import { LabelWriter, writeLabelList } from "../../src/labels/write-labels.js";
import { folderOfThisFile } from "../support/train-run.js";

const rowsOf = (text: string) => parseRows(text, "l.csv").rows.map(({ name, label }) => [name, label]);
const folder = folderOfThisFile();
let made = 0;
function file(content: string | Uint8Array): string {
  const path = join(folder, `${made++}.csv`);
  writeFileSync(path, content);
  return path;
}

describe("parseRows", () => {
  it.each([
    ["semicolons", "file;label\na.png;cat\nb c.png;big dog\n"],
    ["tabs", "file\tlabel\na.png\tcat\nb c.png\tbig dog\n"],
    ["a quoted header", '"file","label"\n"a.png","cat"\n"b c.png","big dog"\n'],
    ["a quoted header and semicolons", '"File";"Label"\r\n"a.png";"cat"\r\n"b c.png";"big dog"'],
    ["lines with a tab, no header", "a.png\tcat\nb c.png\tbig dog\n"],
  ])("reads %s", (_, text) => {
    expect(rowsOf(text)).toEqual([
      ["a.png", "cat"],
      ["b c.png", "big dog"],
    ]);
  });

  it("passes rows without a label over, and says how many and which is the first", () => {
    const { rows, remarks } = parseRows("file,label\na,cat\nb,\nc,nan\nd,-1\ne,dog\n", "l.csv");
    expect(rows.map(({ label }) => label)).toEqual(["cat", "dog"]);
    expect(remarks.join()).toMatch(/3 rows of l\.csv have no label .*first on line 3.*unlabeled/);
    expect(() => rowsOf("file,label\na,\nb,nan\n")).toThrow(DataError);
    expect(() => rowsOf("file,label\na,\nb,nan\n")).toThrow(/not one of its 2 rows has a label/);
  });

  it("takes a text that says there is no label for one where a class is called so", () => {
    const read = (classes: string[]) =>
      parseRows("file,label\na,null\nb,cat\nc,-1\nd,\n", "l.csv", classes).rows.map(({ label }) => label);
    expect(read(["cat", "null"])).toEqual(["null", "cat"]);
    expect(read(["cat", "-1"])).toEqual(["cat", "-1"]);
    expect(read(["cat", "dog"])).toEqual(["cat"]);
  });

  it("keeps outer blanks where they are in quotes, and only there", () => {
    expect(rowsOf('file,label\n"x.png ","cat "\n y.png , dog \n"z" ,"cat" \n')).toEqual([
      ["x.png ", "cat "],
      ["y.png", "dog"],
      ["z", "cat"],
    ]);
  });
});

describe("readLabelTable", () => {
  const text = "file,label\na.png,caf\u00e9\n";
  it.each<[string, Uint8Array, RegExp | undefined]>([
    ["UTF-8 with a mark", Buffer.from(`\uFEFF${text}`), undefined],
    ["UTF-16 of Windows", Buffer.from(`\uFEFF${text}`, "utf16le"), /read as UTF-16/],
    ["UTF-16 without a mark", Buffer.from(text, "utf16le"), /read as UTF-16/],
    ["UTF-16, the other way round", Buffer.from(`\uFEFF${text}`, "utf16le").swap16(), /read as UTF-16/],
    ["Latin-1", Buffer.from(text, "latin1"), /read as Windows-1252/],
  ])("reads %s", (_, bytes, remark) => {
    const { rows, remarks } = readLabelTable(file(bytes));
    expect(rows).toEqual([{ line: 2, name: "a.png", label: "caf\u00e9" }]);
    if (remark) expect(remarks.join()).toMatch(remark);
    else expect(remarks).toEqual([]);
  });
});

describe("what the package writes", () => {
  const names = ["x.png ", " y.png", "a,b.png", 'q"q.png', "tab\tname.png", "se;mi.png", "plain.png", "blank name.png"];
  const classes = ["cat ", "big dog", "a;b", 'q"', "plain"];
  const rows = names.map((name, i) => [name, classes[i % classes.length]!] as const);

  it("is read back as it was: trailing blanks, separators, quotes", () => {
    const [table, list] = [join(folder, "written.csv"), join(folder, "written.txt")];
    const writer = new LabelWriter(table);
    for (const [name, label] of rows) writer.add(name, label, 0.5);
    writer.finish();
    writeLabelList(list, rows);
    for (const path of [table, list]) {
      expect(readLabelTable(path).rows.map(({ name, label }) => [name, label])).toEqual(rows);
    }
    expect([readLabelTable(table).pseudo, readLabelTable(list).pseudo]).toEqual([true, false]);
    const data = { classes, train: { count: names.length }, nameOf: (i: number) => names[i]! };
    const { index, y } = parseLabelFile(readLabelTable(list), data, list);
    expect(Array.from(index, (i, k) => [names[i], classes[y[k]!]])).toEqual(rows);
  });

  it("is plain lines where nothing can be mistaken", () => {
    const path = join(folder, "plain.txt");
    writeLabelList(path, [["blank name.png", "cat"]]);
    expect(readLabelTable(path).rows).toEqual([{ line: 1, name: "blank name.png", label: "cat" }]);
  });
});
