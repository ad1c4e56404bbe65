/** `fewlabels data download NAME`: official files with checksum, resume and progress. */
import { type DownloadReport, downloadDataSet } from "../../../data/download/download.js";
import type { OfficialData } from "../../../data/download/official-files.js";
import { officialData } from "../../../data/index.js";
import { findByName, UsageError } from "../../../errors.js";
import { boolean, number, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { downloading } from "../../downloading.js";
import { count, quoted } from "../../format.js";
import { print } from "../../output.js";

const who = "fewlabels data download";

interface DownloadFlags {
  readonly data: string;
  readonly extra: boolean;
  readonly timeout: number;
  readonly json: boolean;
}

export const dataDownload = defineCommand({
  name: "data download",
  summary: "official files, with checksum, resume and progress",
  description:
    "Fetch the official files of a data set into DIR, where `train --data DIR` finds them. Every file is checked; what is there already is not fetched again; an interrupted download goes on where it stopped.",
  arguments: { name: argument(officialData.map(({ name }) => name).join(", ")) },
  options: {
    data: text("data", { value: "folder", doc: "folder to put them in; the data set gets a subfolder" }),
    extra: boolean(false, { doc: "svhn: also the 531,131 extra images (1.3 GB)" }),
    timeout: number(30, { min: 0.1, max: 3600, doc: "seconds without data after which to connect anew" }),
    json: boolean(false, { doc: "print what was done as one JSON line; progress goes to stderr" }),
  },
  examples: ["fewlabels data download cifar10", "fewlabels data download svhn --data sets --extra"],
  run: ({ name, ...flags }) => downloadCommand(name, flags),
});

async function downloadCommand(name: string, flags: DownloadFlags): Promise<void> {
  const { item: official } = findByName(officialData, "data set to download", name);
  if (flags.extra && !official.downloads.some((download) => download.extra)) {
    throw new UsageError(`${who}: --extra is for svhn; ${name} has no extra images`);
  }
  await downloading(who, flags, async (control, progress) => {
    const { rate, ...rest } = control;
    const report = await downloadDataSet(official, {
      ...rest,
      dir: flags.data,
      extra: flags.extra,
      onProgress: (file, have) => progress.download(file.name, have, file.bytes, rate(have)),
    });
    progress.end();
    const next = nextCommand(official, flags);
    print(...(flags.json ? [JSON.stringify({ ...report, next })] : reportLines(report, next)));
  });
}

function reportLines({ folder, files, downloadedBytes }: DownloadReport, next: string): string[] {
  const fetched = files.filter((file) => file.fetched).length;
  return [
    fetched === 0
      ? `all ${files.length} files are in ${folder}, and right; nothing was fetched`
      : `${fetched} of ${files.length} files fetched (${count(downloadedBytes)} bytes), all checked; they are in ${folder}`,
    `next: ${next}`,
  ];
}

function nextCommand({ name, labels }: OfficialData, { data, extra }: DownloadFlags): string {
  return `fewlabels train --dataset ${name} --data ${quoted(data)} --labels ${labels}${extra ? " --dataset.extra all" : ""}`;
}
