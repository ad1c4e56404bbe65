/** From the members of a shard to samples: WebDataset's rule that neighbors with the same key belong together. */

import { bytes } from "../../files/packed.js";
import { decodePixmap } from "../../files/pixmap.js";
import type { TarFile, TarMember } from "../../files/tar.js";
import { type Damage, type DecodedImage, decodeImage } from "../../images/decode.js";
import { formatOfName } from "../../images/image-files.js";
import type { Decoding } from "../../images/image-set.js";

/** Longer members are no photos; a sample that has one is damaged. */
export const maxImageBytes = 64 * 2 ** 20;
const maxLabelBytes = 1 << 16;

/** Neighboring members with one key. */
export interface Sample {
  /** Path up to the first dot of the file name: what label files call the image. */
  readonly key: string;
  /** Where the first of its members begins. */
  readonly offset: number;
  /** Its picture. */
  readonly image: TarMember;
  /** What follows the key's dot: `jpg`, `ppm`. */
  readonly extension: string;
  /** `key.cls`, `key.json`. */
  readonly label: { readonly cls?: TarMember; readonly json?: TarMember };
}

/**
 * The samples of a shard from where it stands, by their headers alone. Members of other kinds, and keys without a
 * picture, are passed over. Throws DataError where the shard is damaged, or one key has two pictures.
 */
export async function* samplesOf(tar: TarFile): AsyncGenerator<Sample> {
  let group: Group | undefined;
  for (;;) {
    const member = await tar.next();
    const { key, extension } = member ? partsOf(member.name) : { key: undefined, extension: "" };
    if (group && group.key !== key) {
      if (group.image) yield group as Sample;
      group = undefined;
    }
    if (!member) return;
    if (!group) {
      group = { key: key!, offset: member.offset, image: undefined, extension: "", label: {} };
      tar.mark = member.offset;
    }
    if (extension === "cls" || extension === "json") group.label[extension] = member;
    else if (isImage(extension)) {
      if (group.image)
        tar.fail(member.offset, `key "${key}" has two pictures, "${group.image.name}" and "${member.name}"`);
      [group.image, group.extension] = [member, extension];
    }
  }
}

interface Group {
  readonly key: string;
  readonly offset: number;
  image: TarMember | undefined;
  extension: string;
  readonly label: { cls?: TarMember; json?: TarMember };
}

/** The first dot of the last part of the path divides key and extension. */
export function partsOf(name: string): { readonly key: string; readonly extension: string } {
  const dot = name.indexOf(".", name.lastIndexOf("/") + 1);
  if (dot < 0) return { key: name, extension: "" };
  return { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}

function isImage(extension: string): boolean {
  return extension === "ppm" || extension === "pgm" || (!extension.includes(".") && isPicture(extension));
}

const known = new Map<string, boolean>();

function isPicture(extension: string): boolean {
  let picture = known.get(extension);
  if (picture === undefined) {
    const format = formatOfName(`x.${extension}`);
    picture = format !== undefined && format !== "foreign";
    if (known.size < 1000) known.set(extension, picture);
  }
  return picture;
}

/** Reads the picture; decoding goes on after this has returned, unless there is nothing to decode. Throws DataError. */
export async function readPicture(
  tar: TarFile,
  { image, extension }: Sample,
  decoding: Decoding,
): Promise<{ readonly decoded: DecodedPicture | Promise<DecodedPicture> }> {
  if (image.size > maxImageBytes) {
    return { decoded: { reason: `${bytes(image.size)} are too long for a picture` } };
  }
  const content = await tar.read(image, maxImageBytes);
  if (extension === "ppm" || extension === "pgm") return { decoded: fitPixmap(content, decoding) };
  const decoded = decodeImage(content.slice(), decoding);
  decoded.catch(() => {}); // whoever awaits it gets the error; until then it is nobody's
  return { decoded };
}

export type DecodedPicture = Pick<DecodedImage, "pixels"> | Damage;

/** Pixels without a format are taken as they are: a size of their own is no accident. */
function fitPixmap(content: Uint8Array, { size, channels }: Decoding): DecodedPicture {
  const image = decodePixmap(content);
  if ("reason" in image) return { reason: image.reason };
  if (image.width === size && image.height === size && image.channels === channels) return { pixels: image.pixels };
  return {
    reason: `raw pixels of ${image.width}x${image.height} with ${image.channels} channels are not resized: give --dataset.size ${image.width}${
      image.channels === channels ? "" : ` --dataset.channels ${image.channels === 1 ? "gray" : "color"}`
    }`,
  };
}

/** The label as the shard has it: the text of `key.cls`, or `label` (else `cls`) of `key.json`. Throws DataError. */
export async function readLabel(tar: TarFile, { key, label }: Sample): Promise<string | undefined> {
  if (label.cls)
    return Buffer.from(await tar.read(label.cls, maxLabelBytes))
      .toString("utf8")
      .trim();
  if (!label.json) return undefined;
  const text = Buffer.from(await tar.read(label.json, maxLabelBytes)).toString("utf8");
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    tar.fail(label.json.offset, `the JSON of "${key}" cannot be read (${(error as Error).message})`);
  }
  const { label: own, cls } = (typeof content === "object" && content !== null ? content : {}) as Record<
    string,
    unknown
  >;
  const value = own ?? cls;
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" || Number.isInteger(value)) return String(value).trim();
  return tar.fail(label.json.offset, `the label of "${key}" is neither text nor a whole number`);
}
