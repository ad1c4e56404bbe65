/**
 * Where the official files of data sets are, and their published checksums. CIFAR: the authors' page; SVHN and MNIST: the
 * checksums that torchvision pins, MNIST's from the mirror it names first (the authors' own page no longer answers).
 */

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
  readonly name: string;
  /** The subfolder of `--data` that the data set looks in; also the folder within an archive. */
  readonly folder: string;
  readonly downloads: readonly OfficialDownload[];
  /** A label budget of the papers, for the command shown at the end. */
  readonly labels: number;
}

const toronto = "https://www.cs.toronto.edu/~kriz";
const stanford = "http://ufldl.stanford.edu/housenumbers";
const mnistMirror = "https://ossci-datasets.s3.amazonaws.com/mnist";

/** `[name, bytes, md5]` as a record. */
const file = (name: string, bytes: number, md5: string): OfficialFile & { md5: string } => ({ name, bytes, md5 });
const from = (base: string, ...facts: Parameters<typeof file>): OfficialDownload => ({
  ...file(...facts),
  url: `${base}/${facts[0]}`,
});

export const officialData: readonly OfficialData[] = [
  {
    name: "cifar10",
    folder: "cifar-10-batches-bin",
    labels: 4000,
    downloads: [
      {
        ...from(toronto, "cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"),
        members: [
          file("data_batch_1.bin", 30_730_000, "5dd7e06a14cb22eb9f671a540d1b7c25"),
          file("data_batch_2.bin", 30_730_000, "5ea93a67294ea407fff1d09f752e9692"),
          file("data_batch_3.bin", 30_730_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
          file("data_batch_4.bin", 30_730_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
          file("data_batch_5.bin", 30_730_000, "53f37980c15c3d472c316c40844f3f0d"),
          file("test_batch.bin", 30_730_000, "803d5f7f4d78ea53de84dbe85f74fb6d"),
        ],
      },
    ],
  },
  {
    name: "cifar100",
    folder: "cifar-100-binary",
    labels: 10_000,
    downloads: [
      {
        ...from(toronto, "cifar-100-binary.tar.gz", 168_513_733, "03b5dce01913d631647c71ecec9e9cb8"),
        // No checksum of the members is published by the authors; the archive's guards them.
        members: [
          { name: "train.bin", bytes: 153_700_000 },
          { name: "test.bin", bytes: 30_740_000 },
        ],
      },
    ],
  },
  {
    name: "mnist",
    folder: "mnist",
    labels: 100,
    downloads: [
      from(mnistMirror, "train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
      from(mnistMirror, "train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
      from(mnistMirror, "t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
      from(mnistMirror, "t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ],
  },
  {
    name: "svhn",
    folder: "svhn",
    labels: 1000,
    downloads: [
      from(stanford, "train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
      from(stanford, "test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3"),
      { ...from(stanford, "extra_32x32.mat", 1_329_278_602, "a93ce644f1a588dc4d68dda5feec44a7"), extra: true },
    ],
  },
];

/** A sentence for the end of an error: which command fetches the files of data set `name`; "" where there is none. */
export function downloadAdvice(name: string, dir?: string, file?: string): string {
  const official = officialData.find((candidate) => candidate.name === name);
  if (!official) return "";
  const extra = official.downloads.some((download) => download.extra && download.name === file) ? " --extra" : "";
  return `. \`fewlabels data download ${name}${dir === undefined ? "" : ` --data ${dir}`}${extra}\` fetches what is missing`;
}
