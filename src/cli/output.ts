/** Where output goes: results to stdout, everything else to stderr; files. A reader that went away is no error. */
import { dirname } from "node:path";
import { FewlabelsError, UsageError } from "../errors.js";
import { makeFolder } from "../files/write-whole.js";
import { isFolder } from "../images/image-files.js";

/** Writes lines to stdout. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Writes lines to stderr. */
export function printError(...lines: readonly string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}

/** Tells on stderr what went wrong in a server: the message of what is thrown on purpose, the stack of a fault. */
export function tellFault(who: string): (error: unknown) => void {
  return (error) => {
    const known = error instanceof FewlabelsError || !(error instanceof Error);
    printError(
      `${who}: ${known ? (error instanceof Error ? error.message : String(error)) : (error.stack ?? error.message)}`,
    );
  };
}

const listeners = new Set<() => void>();

/** Called when the reader of stdout has gone away; returns the function that takes the listener off again. */
export function onReaderGone(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * `fewlabels list | head -1` closes the pipe early: end quietly, or let a run under way save itself first. A stream that cannot be
 * written for another reason (a full disk) is worth a word on stderr and exit code 1; a run saves itself first, too.
 */
export function surviveClosedPipes(): void {
  let told = false;
  for (const [name, stream] of [
    ["stdout", process.stdout],
    ["stderr", process.stderr],
  ] as const) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") {
        process.exitCode ||= 1; // what a command has said of itself counts more
        if (!told && name === "stdout") printError(`fewlabels: cannot write to stdout: ${error.message}`);
        told = true;
      }
      // What a command has said of itself (that it was interrupted, that a run failed) counts also where nobody reads it.
      if (listeners.size === 0) process.exit();
      for (const listener of listeners) listener();
    });
  }
}

/**
 * Makes the folders above the files, by their option's name; call it before the work, which would be lost. Throws UsageError where a
 * folder has the place of a file, DiskError where no folder can be made.
 */
export function makePlaces(who: string, files: Readonly<Record<string, string | undefined>>): void {
  for (const [option, path] of Object.entries(files)) {
    if (path !== undefined && isFolder(path))
      throw new UsageError(`${who}: --${option} ${path} is a folder. Give the name of a file, in it for instance`);
  }
  for (const path of Object.values(files)) if (path !== undefined) makeFolder(dirname(path));
}
