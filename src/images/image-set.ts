/** The three ways in which images can be there: in memory, decoded from files when needed, streamed from shards. */
/** Images of one size, in memory: `pixels` is `[count, channels, height, width]`, row by row; or (`files`) decoded when needed. */
export interface ImageSet {
  /** uint8 in 0..255 or float32 (already normalized, for instance by ZCA, or plain coordinates). */
  readonly pixels: Uint8Array | Float32Array;
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** `[count]`, class index in 0 .. K-1, or -1 where there is none. */
  readonly labels: Int32Array;
  /** Where the images come from when they are needed; `pixels` is then an empty Uint8Array. */
  readonly files?: PictureFiles;
}

/** Picture files that are the rows of an image set. */
export interface PictureFiles {
  /** By row. */
  readonly paths: readonly string[];
  /** How messages call a row. */
  nameOf(row: number): string;
  /** `[count]`, as those of the set, or as a labels file has them: only a picture of the same class stands in for a damaged one. */
  readonly labels: Int32Array;
  readonly decoding: Decoding;
  /** Pictures that may stay in memory. */
  readonly residents: number;
  /** Share of the pictures needed so far that may be damaged. */
  readonly maxDamaged: number;
  /** By channel: how often each of the 256 gray levels comes in all these pictures; reads files. */
  levels(): Promise<readonly Float64Array[]>;
}

export interface DamagedFile {
  /** As the data set calls it. */
  readonly file: string;
  readonly reason: string;
}

/** How a picture file becomes an image. */
export interface Decoding {
  /** Height and width in pixels. */
  readonly size: number;
  /** 3: sRGB; 1: gray. */
  readonly channels: 1 | 3;
  /** crop: the short side fits and the middle is kept; pad: the long side fits, black bars; stretch: both fit. */
  readonly fit: "crop" | "pad" | "stretch";
  /** Larger pictures count as damaged before their pixels are read. Millions of pixels. */
  readonly maxMegapixels: number;
}

export const whitenings = ["zca", "gcn-zca"] as const;
export type Whitening = (typeof whitenings)[number];
export const normalizations = ["none", "channel", "image", "imagenet", ...whitenings] as const;
export type Normalization = (typeof normalizations)[number];

/** Whether it takes all values of an image together. */
export function isWhitening(kind: string | undefined): kind is Whitening {
  return whitenings.some((one) => one === kind);
}

export interface Shard {
  readonly path: string;
  /** Pictures in it, and in the shards before it. */
  readonly count: number;
  readonly first: number;
}

export interface PoolOptions {
  readonly decoding: Decoding;
  /** skip: missing and truncated shards are left out, and named. */
  readonly onDamaged: "fail" | "skip";
  /** Share of the pictures read so far that may be undecodable. */
  readonly maxDamaged: number;
  /** Pictures in memory to draw from. */
  readonly shuffleBuffer: number;
  /** No option changes `shuffleBuffer`. Default false. */
  readonly fixedBuffer?: boolean;
  /** Bytes: a pool whose decoded pictures take no more is decoded once and kept. Default 0. */
  readonly memory?: number;
}

/** Pictures by number: their place in the order of the shards, whatever order they are read in. */
export interface ShardPool extends PoolOptions {
  readonly shards: readonly Shard[];
  readonly count: number;
  /** Over keys and sizes of all pictures in order; not their contents, which would mean reading the pool. */
  readonly fingerprint: string;
  readonly damaged: readonly DamagedFile[];
}

/** The first `wanted` images in memory, all if there are fewer or where nothing is said; shares their pixels. */
export function firstImages(set: ImageSet, wanted = set.count): ImageSet {
  const count = Math.min(wanted, set.count);
  const pixels = set.pixels.subarray(0, count * set.channels * set.height * set.width);
  return { ...set, count, pixels, labels: set.labels.subarray(0, count) };
}
