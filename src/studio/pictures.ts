/** The pictures of the folder that is labelled, and the labels that are known before anybody says anything. */
import { join, relative, sep } from "node:path";
import { testNames } from "../data/folder/splits.js";
import { DataError } from "../errors.js";
import { shownName } from "../files/names.js";
import { listImages, listPictureFolders } from "../images/image-files.js";
import { type FolderPictures, folderPictures, type LabeledFile } from "../inference/folder-pictures.js";
import { composed } from "../labels/class-names.js";

export interface StudioPicture {
  /** As labels files call it. */
  readonly name: string;
  readonly path: string;
}

export interface StudioPictures {
  /** In the order of their names. */
  readonly pictures: readonly StudioPicture[];
  /** Labels of class folders or of the labels file, by name. */
  readonly given: ReadonlyMap<string, string>;
  readonly classes: readonly string[];
  /** The classes are the class folders: training knows no others. */
  readonly fixed: boolean;
  /** Why they are not. */
  readonly unfixed: string;
  /** Names that no class may have, as `classWord` writes them: training would take those folders for the classes. */
  readonly taken: ReadonlySet<string>;
  readonly remarks: readonly string[];
}

export interface PicturesOptions {
  readonly labelsFile?: string | undefined;
  /** A folder below `dir` that is no part of it: where the studio writes. */
  readonly except: string;
}

/**
 * Class folders give labels where something is left to label (DIR/unlabeled, or pictures beside them); else every picture is unlabeled,
 * whatever folder it is in. Test pictures are left out. Throws DataError where there is no picture, or the labels file does not fit.
 */
export function studioPictures(dir: string, { labelsFile, except }: PicturesOptions): StudioPictures {
  const remarks: string[] = [];
  const own = relative(dir, except).split(sep).join("/");
  const outside = ({ name }: StudioPicture) => own.startsWith("../") || !name.startsWith(`${own}/`);
  const named = { labelsFile, onlyNamed: true, fewestNamed: 1 };
  const found = labelsFile === undefined ? layoutOf(dir) : folderPictures(dir, named);
  const layout = typeof found === "string" ? undefined : found;
  remarks.push(...(layout?.remarks ?? []));
  const known = layout?.files.filter(outside) ?? plainFiles(dir).filter(outside);
  const tests = known.filter(({ part }) => part === "test").length;
  if (tests > 0) remarks.push(`${tests} pictures in a test folder are left out: they are there to test with`);
  if (typeof found === "string" && listPictureFolders(dir).length > 0)
    remarks.push(
      "the folders in it are taken for mere folders: as class folders they are none, or leave nothing to label",
    );
  const kept = known.filter(({ part }) => part !== "test");
  if (kept.length === 0) throw new DataError(`${shownName(dir)}: there is no picture in this folder`);
  const classes = layout?.classes ?? [];
  return {
    pictures: kept.map(({ name, path }) => ({ name, path })),
    given: new Map(kept.flatMap(({ name, label }) => (label >= 0 ? [[name, classes[label]!] as const] : []))),
    classes,
    fixed: layout?.byFolders === true,
    unfixed: typeof found === "string" ? found : "the labels file names other classes",
    taken: new Set(
      layout?.byFolders === true ? [] : listPictureFolders(dir).map((name) => composed(shownName(name)).trim()),
    ),
    remarks,
  };
}

/** In words why the class folders are none, or leave nothing to label. */
function layoutOf(dir: string): FolderPictures | string {
  if (listPictureFolders(dir).length === 0) return "there is no folder with pictures";
  try {
    const found = folderPictures(dir);
    return found.files.some(({ label }) => label < 0) ? found : "as class folders they leave nothing to label";
  } catch (error) {
    if (error instanceof DataError) return error.message;
    throw error;
  }
}

/** As training with a labels file sees them: what lies in a folder for tests is one of them. */
function plainFiles(dir: string): LabeledFile[] {
  const folders = listPictureFolders(dir);
  const test = testNames.flatMap((word) => folders.filter((name) => name.toLowerCase() === word))[0];
  return listImages(dir).files.map((file) => ({
    name: shownName(file),
    path: join(dir, file),
    part: test !== undefined && file.startsWith(`${test}/`) ? "test" : "unlabeled",
    label: -1,
  }));
}
