/** Small versions of pictures that a page can hold. */
import { atOnce, defaultMaxMegapixels, readImage } from "./decode.js";
import { encodeImage } from "./encode.js";

/** Data URIs of JPEG pictures of `side` x `side` pixels, black where a picture is narrower, in the order of `paths`; undefined where one cannot be read. */
export async function thumbnails(paths: readonly string[], side: number): Promise<(string | undefined)[]> {
  const decoding = { size: side, channels: 3, fit: "pad", maxMegapixels: defaultMaxMegapixels } as const;
  const found = paths.map((): string | undefined => undefined);
  await atOnce(paths.length, async (i) => {
    const image = await readImage(paths[i]!, decoding);
    if ("reason" in image) return;
    const jpeg = await encodeImage(image.pixels, { channels: 3, width: side, height: side }, "jpeg");
    found[i] = `data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}`;
  });
  return found;
}
