/** From the members of a shard to samples: WebDataset's rule that neighbors with the same key belong together. */

import { bytes } from "../../files/packed.js";
import { decodePixmap } from "../../files/pixmap.js";
import type { TarFile, TarMember } from "../../files/tar.js";
import { type Damage, type DecodedImage, decodeImage } from "../../images/decode.js";
import { formatOfName } from "../../images/image-formats.js";
import type { Decoding } from "../../images/image-set.js";
import { isNoLabel } from "../../labels/class-names.js";

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
 * The samples of a shard from where it stands, by their headers alone. Members of other kinds are passed over, and keys without a
 * picture, unless `strays` takes them: labels that do not lie beside their picture. Throws DataError where the shard is damaged, or
 * one key has two pictures.
 */
export async function* samplesOf(tar: TarFile, strays: (stray: Stray) => Promise<void> = async () => {}) {
  let group: TarMember[] = [];
  let key: string | undefined;
  for (;;) {
    const member = await tar.next();
    if (member && isHidden(member.name)) continue;
    const own = member && partsOf(member.name).key;
    if (group.length > 0 && own !== key) {
      for (const sample of split(tar, group)) {
        if (isSample(sample)) yield sample;
        else if (sample.label.cls || sample.label.json) await strays(sample);
      }
      group = [];
    }
    if (!member) return;
    if (group.length === 0) tar.mark = member.offset;
    key = own;
    group.push(member);
  }
}

/** What macOS packs beside every file (`._x.jpg`), and other hidden ones. */
function isHidden(name: string): boolean {
  return /(^|\/)(\.|__MACOSX\/)/.test(name);
}

/** A sample without a picture. */
export type Stray = Pick<Sample, "key" | "label">;

type Group = Omit<Sample, "image"> & { readonly image: TarMember | undefined };

function isSample(group: Group): group is Sample {
  return group.image !== undefined;
}

/**
 * Members with the same name up to the first dot: one sample, by WebDataset's rule (`x.jpg`, `x.cls`, `x.mask.png`). Where that would leave
 * pictures out, the names have dots in them, and the last one divides (`img.001.jpg`, `img.001.cls`, `img.002.jpg`).
 */
function split(tar: TarFile, members: readonly TarMember[]): Group[] {
  const whole = groupOf(tar, members, partsOf);
  if (whole.image || !members.some(({ name }) => isImage(lastPartsOf(name).extension))) return [whole];
  const groups = new Map<string, TarMember[]>();
  for (const member of members) {
    const { key } = lastPartsOf(member.name);
    const own = groups.get(key);
    if (own) own.push(member);
    else groups.set(key, [member]);
  }
  return [...groups.values()].map((own) => groupOf(tar, own, lastPartsOf));
}

function groupOf(tar: TarFile, members: readonly TarMember[], parts: typeof partsOf): Group {
  const label: { cls?: TarMember; json?: TarMember } = {};
  let [image, extension]: [TarMember | undefined, string] = [undefined, ""];
  const { key } = parts(members[0]!.name);
  for (const member of members) {
    const { extension: own } = parts(member.name);
    if (own === "cls" || own === "json") label[own] = member;
    else if (isImage(own)) {
      if (image) tar.fail(member.offset, `key "${key}" has two pictures, "${image.name}" and "${member.name}"`);
      [image, extension] = [member, own];
    }
  }
  return { key, offset: members[0]!.offset, image, extension, label };
}

function lastPartsOf(name: string): { readonly key: string; readonly extension: string } {
  const dot = name.lastIndexOf(".");
  if (dot <= name.lastIndexOf("/") + 1) return { key: name, extension: "" };
  return { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
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

/** A label as a shard has it; `number`: as a number of `key.json`, or text of `key.cls` that is one: a manifest says which class that is. */
export interface ShardLabel {
  readonly text: string;
  readonly number: boolean;
}

/** The text of `key.cls`, or `label` (else `cls`) of `key.json`; nothing where it is empty, `nan` or -1. Throws DataError. */
export async function readLabel(tar: TarFile, stray: Stray): Promise<ShardLabel | undefined> {
  const label = await labelOf(tar, stray);
  return label === undefined || isNoLabel(label.text) ? undefined : label;
}

async function labelOf(tar: TarFile, { key, label }: Stray): Promise<ShardLabel | undefined> {
  if (label.cls) {
    const text = Buffer.from(await tar.read(label.cls, maxLabelBytes))
      .toString("utf8")
      .trim();
    return { text, number: /^\d{1,9}$/.test(text) };
  }
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
  if (typeof value === "string") return { text: value, number: false };
  if (Number.isInteger(value)) return { text: String(value), number: true };
  return tar.fail(label.json.offset, `the label of "${key}" is neither text nor a whole number`);
}
