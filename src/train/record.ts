/** What a run writes down before its first step: the folder, the facts of the run, where it continues. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RunConfig } from "../config/resolve.js";
import { DataError } from "../errors.js";
import { writeWhole } from "../files/write-whole.js";
import { checkSameLabels, labelsFingerprint } from "../labels/labels-fingerprint.js";
import { packageVersion } from "../package.js";
import type { StartEvent } from "../run/events.js";
import { type Checkpoint, RunFolder } from "../run/index.js";
import { restoreCheckpoint } from "../session/checkpoint.js";
import { hasInferenceRecord, inferenceRecord, writeInferenceRecord } from "../session/inference-record.js";
import type { Session } from "../session/session.js";
import { handOut } from "../session/setup.js";
import { engineInfo, world } from "../torch/index.js";
import { checkAlike } from "./together/alike.js";
import { type OpenRun, shareCheckpoint, shareRun } from "./together/together.js";

/** A new folder, or the one of the run to continue with its state put back. Throws UsageError where others write to it. */
export async function openFolder(session: Session): Promise<OpenRun> {
  checkAlike(session);
  session.built.forEach(handOut);
  const { config, owners } = session;
  const first = world().rank === 0;
  if (config.resume === undefined) return shareRun(first ? createFolder(session) : undefined, config);
  const continued = first ? continueFolder(session) : undefined;
  try {
    const checkpoint = shareCheckpoint(continued?.checkpoint);
    if (checkpoint) restoreCheckpoint(checkpoint, owners);
    continued?.folder?.truncateAfter(continued.startStep);
    return shareRun(continued, config);
  } catch (error) {
    continued?.folder?.close();
    throw error;
  }
}

function createFolder(session: Session): OpenRun {
  const { config: given, data } = session;
  const { nameIsFree, ...rest } = given;
  const out = nameIsFree ? RunFolder.claim(given.out) : given.out;
  const config: RunConfig = { ...rest, out };
  const folder = RunFolder.create(out, config, {
    versions: versions(),
    dataFingerprint: data.fingerprint,
    labelsFingerprint: labelsFingerprint(data.split),
  });
  try {
    writeFacts(out, session);
  } catch (error) {
    folder.close();
    throw error;
  }
  return { folder, config, startStep: 0, spentSeconds: 0, medianBefore: Number.NaN, evaluations: [] };
}

/** What others need of a run beside its checkpoints. What is there stays: a start may have ended between two of them. */
function writeFacts(out: string, { data, method }: Session): void {
  if (!hasInferenceRecord(out)) writeInferenceRecord(out, inferenceRecord(data, method));
  const [{ damaged }, path] = [data, join(out, "damaged.json")];
  if (damaged.length > 0 && !existsSync(path)) writeWhole(path, `${JSON.stringify(damaged, null, 2)}\n`);
}

function continueFolder(session: Session): OpenRun & { readonly checkpoint: Checkpoint | undefined } {
  const { config, data } = session;
  const { out } = config;
  const folder = RunFolder.open(out);
  folder.lock();
  try {
    const { dataFingerprint: before, labelsFingerprint: labels } = folder.config();
    if (before !== data.fingerprint) {
      throw new DataError(
        `${out}: the data are not those the run was started with (fingerprint ${data.fingerprint}, then ${before})`,
      );
    }
    checkSameLabels(out, labels, data.split, config.labels);
    writeFacts(out, session);
    const checkpoint = folder.latestCheckpoint();
    const startStep = checkpoint?.step ?? 0;
    const { elapsedSeconds = 0, stepSecondsMedian } = checkpoint?.extra ?? {};
    const evaluations = folder.events().filter(({ type }) => type === "evaluation");
    const times = { spentSeconds: Number(elapsedSeconds), medianBefore: Number(stepSecondsMedian) };
    return { folder, config, startStep, ...times, evaluations, checkpoint };
  } catch (error) {
    folder.close();
    throw error;
  }
}

export function startEvent(config: RunConfig, { data, method, hardware }: Session, startStep: number): StartEvent {
  const { labeled, unlabeled, validation } = data.split;
  const [model] = Object.values(method.models);
  return {
    type: "start",
    config,
    ...hardware,
    threads: config.threads,
    data: {
      labeled: labeled.length,
      unlabeled: data.pool?.count ?? unlabeled.length,
      val: validation.length,
      test: data.testLabels.length,
      classes: data.classes,
      ...(data.labelNoise ? { labelNoise: data.labelNoise } : {}),
    },
    parameters: model?.parameters.reduce((sum, { tensor }) => sum + tensor.numel, 0) ?? 0,
    ...(world().size > 1 ? { processes: world().size } : {}),
    ...(config.resume !== undefined ? { resumedFrom: startStep } : {}),
  };
}

function versions(): Record<string, string> {
  return { fewlabels: packageVersion(), node: process.versions.node, libtorch: engineInfo().libtorch };
}
