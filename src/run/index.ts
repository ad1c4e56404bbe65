/** The run folder's format. */

export { isHeld } from "../files/lock/lock.js";
export {
  decodeSafetensors,
  type RawDType,
  type RawTensor,
  readSafetensors,
  type TensorSource,
  writeSafetensors,
} from "../files/safetensors.js";
export { type Checkpoint, type JsonValue, type OwnerState, readCheckpoint } from "./checkpoints.js";
export { EventLog, type LoggedEvent, readEvents, truncateEvents } from "./event-log.js";
export { type CheckpointOptions, type RunFacts, RunFolder } from "./run-folder.js";
