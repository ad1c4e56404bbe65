import { existsSync, readFileSync } from "node:fs";

const file = "/proc/cpuinfo";

/** The instructions of this machine's processor by Linux's names ("avx2"), asked of the kernel, not of the engine; none elsewhere. */
export const processorFlags: ReadonlySet<string> = new Set(
  existsSync(file) ? /^flags\s*:(.*)$/m.exec(readFileSync(file, "utf8"))?.[1]?.trim().split(/\s+/) : [],
);
