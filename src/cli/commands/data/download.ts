/** `fewlabels data download NAME`: official files with checksum, resume and progress. */
import { type DownloadReport, downloadDataSet } from "../../../data/download/download.js";
import type { OfficialData } from "../../../data/download/official-files.js";
import { officialData } from "../../../data/index.js";
import { findByName, UsageError } from "../../../errors.js";
import { boolean, number, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { count, quoted } from "../../format.js";
import { print, printError } from "../../output.js";
import { Progress } from "../../progress.js";
import { interruptedExitCode, stopSignals } from "../../run-training.js";

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
  const progress = new Progress({ stream: flags.json ? process.stderr : process.stdout });
  const abort = new AbortController();
  const stop = () => (abort.signal.aborted ? process.exit(interruptedExitCode) : abort.abort());
  for (const signal of stopSignals) process.on(signal, stop);
  const rate = rateMeter();
  try {
    const report = await downloadDataSet(official, {
      dir: flags.data,
      extra: flags.extra,
      mirror: mirrorFrom(process.env.FEWLABELS_MIRROR),
      stallSeconds: flags.timeout,
      signal: abort.signal,
      onNote: (line) => progress.line(line),
      onProgress: (file, have) => progress.download(file.name, have, file.bytes, rate(have)),
    });
    progress.end();
    const next = nextCommand(official, flags);
    print(...(flags.json ? [JSON.stringify({ ...report, next })] : reportLines(report, next)));
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    progress.end();
    printError("stopped; run the same command again: it goes on where it stopped");
    process.exitCode = interruptedExitCode;
  } finally {
    progress.end();
    for (const signal of stopSignals) process.off(signal, stop);
  }
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

/** Bytes a second over the last ten seconds or so; undefined for the first half second. `have` falls where a file begins. */
function rateMeter(now = () => performance.now() / 1000): (have: number) => number | undefined {
  let marks: { at: number; have: number }[] = [];
  return (have) => {
    const at = now();
    const last = marks.at(-1);
    if (last && have < last.have) marks = [];
    if (!last || marks.length === 0 || at - last.at > 0.25) marks.push({ at, have });
    while (marks.length > 2 && at - marks[0]!.at > 10) marks.shift();
    const seconds = at - marks[0]!.at;
    return seconds < 0.5 ? undefined : (have - marks[0]!.have) / seconds;
  };
}

function mirrorFrom(address: string | undefined): string | undefined {
  if (address === undefined || address === "") return undefined;
  if (/^https?:\/\/[^/]/.test(address) && URL.canParse(address)) return address;
  throw new UsageError(`${who}: expected an http or https address in FEWLABELS_MIRROR, got ${JSON.stringify(address)}`);
}
