/** The run folder's format. */

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
export { isHeld } from "./lock.js";
export { type CheckpointOptions, type RunFacts, RunFolder } from "./run-folder.js";
