/** What commands that download share: progress, the mirror, and an interrupt that keeps what has come. */
import type { FetchControl } from "../data/download/fetch-file.js";
import { UsageError } from "../errors.js";
import { printError } from "./output.js";
import { Progress } from "./progress.js";
import { interruptedExitCode, onStopSignals, quitAtOnce } from "./signals.js";

export interface DownloadControl extends Pick<FetchControl, "stallSeconds" | "signal" | "onNote"> {
  /** Another server, by FEWLABELS_MIRROR. */
  readonly mirror: string | undefined;
  /** Bytes a second so far, for the progress, with `have` bytes of a file. */
  readonly rate: (have: number) => number | undefined;
}

/** Runs `work`; an interrupt ends it with a word and exit code 130. Progress goes to stderr with `json`. Throws what `work` throws. */
export async function downloading(
  who: string,
  { json, timeout }: { readonly json: boolean; readonly timeout: number },
  work: (control: DownloadControl, progress: Progress) => Promise<void>,
): Promise<void> {
  const progress = new Progress({ stream: json ? process.stderr : process.stdout });
  const abort = new AbortController();
  const ignoreSignals = onStopSignals((times) => (times > 1 ? quitAtOnce() : abort.abort()));
  const control: DownloadControl = {
    mirror: mirrorFrom(who, process.env.FEWLABELS_MIRROR),
    stallSeconds: timeout,
    signal: abort.signal,
    onNote: (line) => progress.line(line),
    rate: rateMeter(),
  };
  try {
    await work(control, progress);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    progress.end();
    printError("stopped; run the same command again: it goes on where it stopped");
    process.exitCode = interruptedExitCode;
  } finally {
    progress.end();
    ignoreSignals();
  }
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

function mirrorFrom(who: string, address: string | undefined): string | undefined {
  if (address === undefined || address === "") return undefined;
  if (/^https?:\/\/[^/]/.test(address) && URL.canParse(address)) return address;
  throw new UsageError(`${who}: expected an http or https address in FEWLABELS_MIRROR, got ${JSON.stringify(address)}`);
}
