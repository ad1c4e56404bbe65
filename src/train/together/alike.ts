/** Whether processes that train together were started alike and see the same data. */
import { DataError, UsageError } from "../../errors.js";
import { labelsFingerprint } from "../../labels/labels-fingerprint.js";
import type { Session } from "../../session/session.js";
import { world } from "../../torch/index.js";
import { eachOf } from "../all-remarks.js";

/** What may differ: where files lie and how much of a machine is used. */
const own = new Set(["out", "nameIsFree", "resume", "data", "threads", "coresSharedBy", "device", "hardware"]);

/** Throws UsageError or DataError, in all processes, where one was started with another configuration, or sees other data, than process 0. */
export function checkAlike(session: Pick<Session, "config" | "data">): void {
  if (world().size === 1) return;
  const own = otherThanFirst(session);
  const [first] = eachOf(own ? [own.name, own.message] : []).filter((said) => said.length > 0);
  if (own) throw own;
  if (first) throw new (first[0] === "DataError" ? DataError : UsageError)(first[1]);
}

/** What this process was started with or sees otherwise than process 0. */
function otherThanFirst({ config, data }: Pick<Session, "config" | "data">): UsageError | DataError | undefined {
  const { rank, size } = world();
  const ownLabels = labelsFingerprint(data.split);
  const mine = JSON.stringify([config, data.fingerprint, ownLabels]);
  const [first, fingerprint, labels] = JSON.parse(world().broadcastText(mine)) as [
    Record<string, unknown>,
    string,
    string,
  ];
  const here: Record<string, unknown> = { ...config };
  if ((first.resume === undefined) !== (config.resume === undefined)) {
    const [sees, misses] = config.resume === undefined ? ["process 0", "this one"] : ["this one", "process 0"];
    return new UsageError(
      `process ${rank} of ${size}: ${sees} continues a run and ${misses} starts one (run folder ${config.out} here, ${first.out} in process 0). ` +
        "To go on with a run its folder must be readable by all: put it on a disk that all of them see, under one path, and give --resume to all",
    );
  }
  for (const key of new Set([...Object.keys(first), ...Object.keys(here)])) {
    const [theirs, ours] = [first[key], here[key]].map((value) => JSON.stringify(value));
    if (own.has(key) || theirs === ours) continue;
    return new UsageError(
      `process ${rank} of ${size}: ${key} is ${ours} here and ${theirs} in process 0. Start all processes with the same options`,
    );
  }
  if (fingerprint !== data.fingerprint) {
    return new DataError(
      `process ${rank} of ${size}: the data here are not those of process 0 (fingerprints ${data.fingerprint} and ${fingerprint}). ` +
        "Give all machines the same files",
    );
  }
  if (labels !== ownLabels) {
    return new DataError(
      `process ${rank} of ${size}: the labels here are not those of process 0 (--labels ${config.labels}). Give all machines the same labels file`,
    );
  }
  return undefined;
}
