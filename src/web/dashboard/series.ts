/** Curves over the wire: what a page does not have yet, as numbers of eight bytes. */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import type { SeriesHeader } from "./api.js";
import { followLog, type LogFollower } from "./follow-log.js";

/** Logs that are kept in memory; of more, the one asked for longest ago is read again when it is asked for. */
const KEPT = 64;

export function logFollowers(): (folder: string) => LogFollower {
  const followers = new Map<string, LogFollower>();
  return (folder) => {
    // A page may still have what another server told, or a follower that has been let go since.
    const follower = followers.get(folder) ?? followLog(join(folder, "metrics.jsonl"), randomInt(1, 2 ** 40));
    followers.delete(folder);
    followers.set(folder, follower);
    for (const oldest of followers.keys()) if (followers.size > KEPT) followers.delete(oldest);
    return follower;
  };
}

/**
 * Four bytes: the length of the header; the header (`SeriesHeader`, JSON, ended by spaces so that what follows begins at a multiple of
 * eight); for each column its steps, then its values, as little-endian float64. `have`: points of each name that the page has already, of
 * generation `generation`.
 */
export function packSeries(
  { generation, columns, names }: LogFollower,
  wanted: readonly string[],
  have: { readonly generation: number; readonly counts: readonly number[] },
): Uint8Array {
  const parts = wanted.map((name, i) => {
    const { steps, values } = columns.get(name) ?? { steps: [], values: [] };
    const from = have.generation === generation ? Math.min(have.counts[i] ?? 0, steps.length) : 0;
    return { name, from, steps: steps.slice(from), values: values.slice(from) };
  });
  const header: SeriesHeader = {
    generation,
    names: [...names].sort(),
    columns: parts.map(({ name, from, steps }) => ({ name, from, count: steps.length })),
  };
  const text = Buffer.from(JSON.stringify(header));
  const start = Math.ceil((4 + text.length) / 8) * 8;
  const total = parts.reduce((sum, { steps }) => sum + 16 * steps.length, start);
  const bytes = new Uint8Array(total).fill(0x20, 4, start);
  new DataView(bytes.buffer).setUint32(0, start - 4, true);
  bytes.set(text, 4);
  let at = start;
  for (const { steps, values } of parts) {
    for (const numbers of [steps, values]) {
      new Float64Array(bytes.buffer, at, numbers.length).set(numbers);
      at += 8 * numbers.length;
    }
  }
  return bytes;
}
