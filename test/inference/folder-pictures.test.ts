// Which label a picture has: its folder's, or that of a labels file; and what training takes for unlabeled.
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderPictures } from "../../src/inference/folder-pictures.js";
import { flat, pictureFolder } from "../support/pictures.js";

test("a labels file over class folders: what it does not name keeps its label, or has none as in training; test pictures keep theirs", async () => {
  const picture = flat([1, 2, 3]);
  const { dir, remove } = await pictureFolder({
    "train/a/0.png": picture,
    "train/a/1.png": picture,
    "train/b/0.png": picture,
    "test/a/0.png": picture,
    "more/x.png": picture,
    "labels.csv": "file,label\ntrain/a/1.png,b\n",
  });
  const labelsFile = join(dir, "labels.csv");
  const labels = (options: Parameters<typeof folderPictures>[1]) =>
    Object.fromEntries(folderPictures(dir, options).files.map(({ name, label }) => [name, label]));
  const folders = { "train/a/0.png": 0, "train/a/1.png": 0, "train/b/0.png": 1, "test/a/0.png": 0 };
  expect(labels({})).toEqual(folders);
  expect(labels({ labelsFile })).toEqual({ ...folders, "train/a/1.png": 1 });
  expect(labels({ labelsFile, onlyNamed: true })).toEqual({
    ...folders,
    "train/a/0.png": -1,
    "train/a/1.png": 1,
    "train/b/0.png": -1,
  });
  expect(folderPictures(dir, { labelsFile }).remarks).toEqual([]);
  expect(folderPictures(dir, { labelsFile, onlyNamed: true }).remarks).toEqual([
    expect.stringMatching(/^2 pictures in class folders are not in .*labels\.csv, so they count as unlabeled$/),
  ]);
  expect(labels({ unlabeledDir: join(dir, "more") })).toEqual({ ...folders, "more/x.png": -1 });
  remove();
});

test("a model's guesses are for pictures without a label, and rows that contradict each other are refused, as in training", async () => {
  const picture = flat([1, 2, 3]);
  const { dir, remove } = await pictureFolder({
    "a/0.png": picture,
    "b/0.png": picture,
    "unlabeled/x.png": picture,
    "pseudo.csv": "file,label,confidence\na/0.png,b,0.9\nx.png,b,0.9\n",
    "only.csv": "file,label,confidence\na/0.png,b,0.9\n",
    "twice.csv": "file,label\nx.png,a\nunlabeled/x.png,b\n",
  });
  const read = (name: string) => folderPictures(dir, { labelsFile: join(dir, name) });
  const { files, remarks } = read("pseudo.csv");
  expect(files.map(({ name, label }) => [name, label])).toEqual([
    ["a/0.png", 0],
    ["b/0.png", 1],
    ["unlabeled/x.png", 1],
  ]);
  expect(remarks).toEqual([
    expect.stringMatching(/1 labels of .*pseudo\.csv are a model's guesses/),
    expect.stringMatching(/1 rows of .*pseudo\.csv are a model's guesses.*their labels stay/),
  ]);
  expect(() => read("only.csv")).toThrow(/model's guesses .* about pictures that have a label/);
  expect(() => read("twice.csv")).toThrow(
    /twice\.csv:3: image "unlabeled\/x\.png" is labeled "b" here and "a" on line 2/,
  );
  remove();
});

test("where nothing is trained no class, and one, will do: pictures in unlabeled alone, albums below one folder, labels of one class so far", async () => {
  const picture = flat([1, 2, 3]);
  const files = { fewestFolders: 0, fewestNamed: 1 };
  const of = async (pictures: Parameters<typeof pictureFolder>[0], labels?: string) => {
    const { dir, remove } = await pictureFolder({ ...pictures, ...(labels !== undefined && { "labels.csv": labels }) });
    const options = labels === undefined ? {} : { labelsFile: join(dir, "labels.csv") };
    expect(() => folderPictures(dir, options)).toThrow(/no labels|one class only/); // as training
    const found = folderPictures(dir, { ...options, ...files });
    remove();
    return { classes: found.classes, labels: found.files.map(({ name, label }) => `${name} ${label}`) };
  };
  expect(await of({ "unlabeled/x.png": picture })).toEqual({ classes: [], labels: ["unlabeled/x.png -1"] });
  expect(await of({ "DCIM/100/x.png": picture, "DCIM/101/y.png": picture })).toEqual({
    classes: [],
    labels: ["DCIM/100/x.png -1", "DCIM/101/y.png -1"],
  });
  expect(await of({ "cat/0.png": picture, "unlabeled/x.png": picture })).toEqual({
    classes: ["cat"],
    labels: ["cat/0.png 0", "unlabeled/x.png -1"],
  });
  expect(await of({ "x.png": picture, "y.png": picture }, "file,label\nx.png,cat\n")).toEqual({
    classes: ["cat"],
    labels: ["x.png 0", "y.png -1"],
  });
});
