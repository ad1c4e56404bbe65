/** The library that multiplies matrices in this process, as the system has it loaded. */
import { readFileSync } from "node:fs";

export interface Blas {
  readonly name: string;
  readonly path: string;
}

/** Undefined where there is none beside libtorch's own files, or the system (Linux alone has such a list) does not say. */
export function loadedBlas(): Blas | undefined {
  try {
    return blasAmong(readFileSync("/proc/self/maps", "utf8"));
  } catch {
    return undefined;
  }
}

/** The first of the files mapped into memory (proc_pid_maps(5)) that is a BLAS. */
export function blasAmong(maps: string): Blas | undefined {
  const path = /\s(\/[^\n]*\/lib(?:openblas|blas|blis|mkl_rt)[^/\n]*\.so[^/\n]*)$/m.exec(maps)?.[1];
  const kind = path && /(openblas|blis|atlas|mkl)[\w-]*/.exec(path)?.[0];
  return path === undefined ? undefined : { name: kind ?? "reference", path };
}
