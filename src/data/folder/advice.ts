/** What to give in place of a folder in which no two classes are. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fsPath, shownName } from "../../files/names.js";
import { hasImages, listFolders } from "../../images/image-files.js";
import { splitNames } from "./splits.js";

/** Where the only folder holds what looks like a data folder, however deep. */
export function levelAdvice(only: string): string | undefined {
  const inner = listFolders(only);
  const pictured = inner.filter((name) => hasImages(join(only, name)));
  const split = pictured.find((name) => splitNames.includes(name.toLowerCase()));
  if (split !== undefined) return `It holds "${shownName(split)}" with pictures: give --data ${shownName(only)}`;
  if (pictured.length > 1) {
    return `It holds ${pictured.length} folders of pictures: if they are the classes, give --data ${shownName(only)}`;
  }
  return inner.length === 1 ? levelAdvice(join(only, inner[0]!)) : undefined;
}

/** Where a table lies in the folder, which may be the labels of its pictures. */
export function tableAdvice(root: string): string | undefined {
  const name = readdirSync(fsPath(root))
    .sort()
    .find((file) => /\.(csv|tsv)$/i.test(file));
  if (name === undefined) return undefined;
  return `${shownName(name)} lies there: if it says which picture has which label, give --labels ${shownName(join(root, name))}`;
}
