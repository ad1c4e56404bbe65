/** How many labels shards hold, by their headers alone: what is chosen for a run before it reads them. */
import { DataError } from "../../errors.js";
import { TarFile } from "../../files/tar.js";
import { listShards } from "./list.js";
import { samplesOf } from "./samples.js";

/** Pictures with a label in the shards of `pattern`, `most` at the most. What cannot be read is told by who reads it whole, and counts nothing. */
export async function countShardLabels(pattern: string, most: number): Promise<number> {
  let count = 0;
  for (const path of listShards(pattern)) {
    if (count >= most) break;
    try {
      count += await labelsIn(path, most - count);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
    }
  }
  return count;
}

async function labelsIn(path: string, most: number): Promise<number> {
  const tar = await TarFile.open(path, 1 << 15);
  let count = 0;
  try {
    const strays = async () => void count++;
    for await (const { label } of samplesOf(tar, strays)) {
      if (label.cls || label.json) count++;
      if (count >= most) break;
    }
    return Math.min(count, most);
  } finally {
    await tar.close();
  }
}
