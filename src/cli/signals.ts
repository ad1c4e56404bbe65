/** Signals that ask a command to stop, as people and the programs between send them. */
import { isatty } from "node:tty";
import { onReaderGone, printError } from "./output.js";

/** What asks a command to stop and leave things so that it can go on later. */
export const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Exit code of a run that was interrupted. */
export const interruptedExitCode = 130;

/**
 * Two signals so close together are one: `npx` hands the terminal's Ctrl-C on to a process that has had it already. Nobody presses
 * twice in so few milliseconds.
 */
const ONE_MS = 250;

export interface SignalOptions {
  /** Whether a terminal is attached. Default: whether stdin, stdout or stderr is one. */
  readonly terminal?: boolean;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
  /** Told, once, of a hangup that is passed over. */
  readonly onHangup?: () => void;
}

/**
 * Calls `stop(1)` on the first signal and `stop(2)` on the next one; returns what takes the listeners off. A hangup where no terminal is
 * attached is passed over: that is how `nohup` leaves a process, whose own mark (SIGHUP ignored) Node wipes away when it starts.
 */
export function onStopSignals(
  stop: (times: number) => void,
  {
    terminal = isatty(0) || isatty(1) || isatty(2),
    now = () => performance.now(),
    onHangup = () => {},
  }: SignalOptions = {},
): () => void {
  let times = 0;
  let last = Number.NEGATIVE_INFINITY;
  let told = false;
  const listener = (signal: NodeJS.Signals) => {
    if (signal === "SIGHUP" && !terminal) {
      if (!told) onHangup();
      told = true;
      return;
    }
    const at = now();
    const again = at - last < ONE_MS;
    last = at;
    if (!again) stop(++times);
  };
  for (const signal of stopSignals) process.on(signal, listener);
  return () => {
    for (const signal of stopSignals) process.off(signal, listener);
  };
}

/**
 * Runs `body` with a signal that is aborted when it is to stop and leave things so that they can go on: by a first stop signal, of which
 * `saying` tells, or because nobody reads stdout any more. A second signal ends the process at once.
 */
export async function untilStopped<T>(saying: string, body: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const ignoreSignals = onStopSignals((times) => {
    if (times > 1) quitAtOnce();
    printError(saying);
    controller.abort();
  });
  const stopListening = onReaderGone(() => controller.abort());
  try {
    return await body(controller.signal);
  } finally {
    ignoreSignals();
    stopListening();
  }
}

/**
 * Ends the process in the midst of whatever its threads do, as Ctrl-C ends a program that does not listen: shells call that 130 too.
 * `process.exit` would wait for a thread that waits for another process.
 */
export function quitAtOnce(): never {
  process.removeAllListeners("SIGINT");
  process.kill(process.pid, "SIGINT");
  process.exit(interruptedExitCode); // the first process of a container does not hear itself
}

/** For servers: resolves at the first signal that asks to stop; at a second one the process ends at once. Hangups: as `onStopSignals`. */
export function stopSignal(options: SignalOptions & { readonly quit?: () => void } = {}): Promise<void> {
  const { quit = quitAtOnce } = options;
  return new Promise((resolve) => {
    onStopSignals((times) => (times > 1 ? quit() : resolve()), options);
  });
}
