import { existsSync, readFileSync } from "node:fs";

const file = "/proc/cpuinfo";
const text = existsSync(file) ? readFileSync(file, "utf8") : "";
const field = (name: string) => new RegExp(`^${name}\\s*:(.*)$`, "m").exec(text)?.[1]?.trim();

/** The instructions of this machine's processor by Linux's names ("avx2"), asked of the kernel, not of the engine; none elsewhere. */
export const processorFlags: ReadonlySet<string> = new Set(field("flags")?.split(/\s+/));

/** Who makes it ("GenuineIntel", "AuthenticAMD"), and its family (25: Zen 3 and 4). */
export const processor = { vendor: field("vendor_id"), family: Number(field("cpu family")) };
