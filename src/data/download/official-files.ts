/** What a data set says of its official files (addresses, sizes, published checksums), in its own file. */
import { quoted } from "../../errors.js";

export interface OfficialFile {
  readonly name: string;
  readonly bytes: number;
  /** In hex; absent only for members of an archive that has one itself. */
  readonly md5?: string;
}

export interface OfficialDownload extends OfficialFile {
  readonly url: string;
  readonly md5: string;
  /** What of a tar.gz archive is kept, by its name in the archive's folder; without it the file itself is the data. */
  readonly members?: readonly OfficialFile[];
  /** Fetched only if asked for. */
  readonly extra?: boolean;
}

export interface OfficialData {
  /** The data set's. */
  readonly name: string;
  /** The subfolder of `--data` that the data set looks in; also the folder within an archive. */
  readonly folder: string;
  readonly downloads: readonly OfficialDownload[];
  /** A label budget of the papers, for the command shown at the end. */
  readonly labels: number;
}

/** `[name, bytes, md5]` as a record. */
export const file = (name: string, bytes: number, md5: string): OfficialFile & { md5: string } => ({
  name,
  bytes,
  md5,
});

/** The same, to be fetched from below `base`. */
export const from = (base: string, ...facts: Parameters<typeof file>): OfficialDownload => ({
  ...file(...facts),
  url: `${base}/${facts[0]}`,
});

/** A sentence for the end of an error: which command fetches the files; "" for a set that has no official ones. */
export function downloadAdvice(official: OfficialData | undefined, dir?: string, file?: string): string {
  if (!official) return "";
  const extra = official.downloads.some((download) => download.extra && download.name === file) ? " --extra" : "";
  return `. \`fewlabels data download ${official.name}${dir === undefined ? "" : ` --data ${quoted(dir)}`}${extra}\` fetches what is missing`;
}
