/** `folder`: people's own pictures, in class folders or with a labels file; decoded once and held in memory as bytes, as far as they fit. */
import { defineDataSet } from "./dataset.js";
import { loadFolder } from "./folder/load.js";
import { folderOptions } from "./folder/options.js";

export const folder = defineDataSet({
  name: "folder",
  summary: "your own pictures: DIR/<class>/*.jpg and DIR/unlabeled, or a folder and a labels file",
  source: "your disk",
  needsDir: true,
  takesFolders: true,
  options: folderOptions,
  load: (context) => loadFolder(context, { name: "folder" }),
});
