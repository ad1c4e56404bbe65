/** What to give in place of a folder in which no two classes are. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fsPath, shownName } from "../../files/names.js";
import { hasImages, listFolders } from "../../images/image-files.js";
import { andMore } from "../../labels/by-content.js";
import { composed } from "../../labels/class-names.js";
import { isSplitName, splitNames } from "./splits.js";

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

/** Where class folders below `root` have folders of their own for unlabeled, test or training pictures, which are labeled as all below a class folder. */
export function misplacedRemarks(dir: string, root: string, files: readonly { readonly name: string }[]): string[] {
  const depth = root === dir ? 2 : 3; // of such a folder, in the data folder
  const places = files.flatMap(({ name }) => {
    const parts = name.split("/");
    return parts.length > depth && isSplitName(parts[depth - 1]!) ? [parts.slice(0, depth).join("/")] : [];
  });
  if (places.length === 0) return [];
  const folders = new Set(places).size;
  return [
    `${places.length} pictures in ${shownName(join(dir, places[0]!))}${andMore(folders - 1)} have the label of the class folder that they lie in; unlabeled ones belong into ${shownName(join(dir, "unlabeled"))}, test pictures into ${shownName(join(dir, "test", "<class>"))}`,
  ];
}

/** Where a labels file brings classes of its own beside what may be class folders. */
export function mereFoldersRemark(folders: readonly string[], classes: readonly string[]): string[] {
  if (folders.length < 2) return [];
  const lower = (text: string) => composed(text).trim().toLowerCase();
  const named = new Map(classes.map((name) => [lower(name), name]));
  const twin = folders.find((name) => named.has(lower(name)));
  const hint =
    twin === undefined ? "" : `. If the folder "${twin}" is its class "${named.get(lower(twin))}", write both alike`;
  return [
    `no class of the labels file is called like a folder, so ${folders.slice(0, 3).join(", ")}${andMore(folders.length - 3)} are mere folders: their pictures have a label only where the file names them${hint}`,
  ];
}
