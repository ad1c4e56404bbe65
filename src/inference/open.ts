/** A run folder with its latest checkpoint put back: data, models and all, as training left them. */
import { resolve } from "node:path";
import type { Catalog } from "../config/catalog.js";
import type { RunConfig } from "../config/resolve.js";
import { DataError, UsageError } from "../errors.js";
import { isLabelsFile } from "../labels/label-options.js";
import { checkSameLabels } from "../labels/labels-fingerprint.js";
import type { Checkpoint, RunFolder } from "../run/index.js";
import { restoreCheckpoint } from "../session/checkpoint.js";
import { hardwareOfUse } from "../session/device.js";
import { openSession, type Session } from "../session/session.js";
import { EvaluationHistory } from "../train/evaluation-history.js";

export interface TrainedRun {
  readonly config: RunConfig;
  readonly checkpoint: Checkpoint;
  /** Release `session.data` when done. */
  readonly session: Session;
}

/** `final`: the latest; `best`: the one that `--save-best val` keeps. */
export type WhichCheckpoint = "final" | "best";

/** Where the run's files lie, where they are no longer there. */
export interface Moved {
  /** Folder of the data set. */
  readonly data?: string | undefined;
  /** The labels file. */
  readonly labels?: string | undefined;
}

/** The configuration of the run in `path` with its files where they lie now. Throws UsageError where `labels` is not about a file. */
export function whereMoved<C extends RunConfig>(path: string, saved: C, { data, labels }: Moved): C {
  if (labels !== undefined && !(isLabelsFile(labels) && isLabelsFile(saved.labels))) {
    throw new UsageError(
      `--labels ${labels}: the run in ${path} was trained with --labels ${saved.labels}. Only a labels file that lies elsewhere now may be named`,
    );
  }
  return { ...saved, data: data ?? saved.data, labels: labels ? resolve(labels) : saved.labels };
}

/**
 * Throws UsageError if there is no
 * checkpoint yet, DataError if data, labels or checkpoint are not those of the run.
 */
export async function openTrainedRun(
  folder: RunFolder,
  moved: Moved = {},
  which: WhichCheckpoint = "final",
  catalog?: Catalog,
): Promise<TrainedRun> {
  const saved = folder.config<RunConfig>();
  if (which === "best" && saved.saveBest !== "val") {
    throw new UsageError(`${folder.path}: the run kept no best checkpoint (it was not trained with --save-best val)`);
  }
  const latest = folder.latestCheckpoint();
  if (!latest) throw new UsageError(`${folder.path}: there is no checkpoint to evaluate yet`);
  const config = whereMoved(folder.path, saved, moved);
  const session = await openSession({ ...hardwareOfUse(config), resume: folder.path }, catalog); // its weights are the checkpoint's
  const { fingerprint } = session.data;
  try {
    if (fingerprint !== saved.dataFingerprint) {
      throw new DataError(
        `${folder.path}: the data are not those of the run (fingerprint ${fingerprint}, then ${saved.dataFingerprint})`,
      );
    }
    checkSameLabels(folder.path, saved.labelsFingerprint, session.data.split, config.labels);
    const checkpoint = which === "final" ? latest : bestCheckpoint(folder, latest, session.method.predictor);
    restoreCheckpoint(checkpoint, session.owners);
    return { config, checkpoint, session };
  } catch (error) {
    session.data.release();
    throw error;
  }
}

/** The checkpoint with the lowest validation error so far. */
export function bestCheckpoint(folder: RunFolder, latest: Checkpoint, predictor: string): Checkpoint {
  const history = new EvaluationHistory(predictor, "val");
  history.recall(folder.events(), latest.step);
  const step = history.best()?.step ?? latest.step;
  return step === latest.step ? latest : folder.checkpoint(step);
}
