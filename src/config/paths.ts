/** Options that are paths are kept absolute, so that a run can be resumed from another working directory. */
import { resolve } from "node:path";
import type { Option } from "../options.js";

/** `value` as it is, unless the option is a path and the value names a file. */
export function absolutePath<T>(option: Option, value: T): T | string {
  if (option.type !== "path" || typeof value !== "string" || value === "" || option.except?.test(value)) return value;
  // Shards may be several patterns with commas between them, outside braces.
  const parts = option.several && value.includes(".tar") ? value.split(/,(?![^{]*\})/) : [value];
  return parts.map((part) => resolve(part.trim())).join(",");
}
