/** Where text goes: results to stdout, everything else to stderr; a reader that went away is no error. */

/** Writes lines to stdout. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Writes lines to stderr. */
export function printError(...lines: readonly string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}

const listeners = new Set<() => void>();

/** Called when the reader of stdout has gone away; returns the function that takes the listener off again. */
export function onReaderGone(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** `fewlabels list | head -1` closes the pipe early: end quietly, or let a run under way save itself first. */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (listeners.size === 0) process.exit(0);
      for (const listener of listeners) listener();
    });
  }
}
