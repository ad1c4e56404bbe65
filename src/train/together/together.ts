/** What several processes that train one network do about their one run: process 0 alone reads and writes its folder. */
import type { RunConfig } from "../../config/resolve.js";
import { TrainingError } from "../../errors.js";
import type { Checkpoint, LoggedEvent, RunFolder } from "../../run/index.js";
import type { Session } from "../../session/session.js";
import { noGrad, scope, stack, type Tensor, tensor, world } from "../../torch/index.js";

/** A run folder open for writing, and how far the run in it had come. */
export interface OpenRun {
  /** Undefined in all processes but the first of several: that one writes. */
  readonly folder: RunFolder | undefined;
  /** The run's, with the folder that it has got. */
  readonly config: RunConfig;
  readonly startStep: number;
  /** Seconds that earlier parts of the run took, and the median of their steps (NaN: none yet). */
  readonly spentSeconds: number;
  readonly medianBefore: number;
  /** What earlier parts of the run have evaluated. */
  readonly evaluations: readonly LoggedEvent[];
}

/** Steps between two comparisons of the weights of all processes. */
const GUARD_EVERY = 100;

/** The run that process 0 has opened, as the others see it: its folder stays process 0's. */
export function shareRun(opened: OpenRun | undefined, config: RunConfig): OpenRun {
  if (world().size === 1) return opened!;
  const said = opened && {
    ...{ startStep: opened.startStep, spentSeconds: opened.spentSeconds, medianBefore: opened.medianBefore },
    ...{ out: opened.config.out, evaluations: opened.evaluations },
  };
  const text = world().broadcastText(JSON.stringify(said ?? {}));
  if (opened) return opened;
  const { out, medianBefore, ...rest } = JSON.parse(text) as NonNullable<typeof said>;
  return { ...rest, medianBefore: medianBefore ?? Number.NaN, folder: undefined, config: { ...config, out } };
}

/** The checkpoint that process 0 has read, in all of them; it may be undefined there too. */
export function shareCheckpoint(read: Checkpoint | undefined): Checkpoint | undefined {
  const { rank, size } = world();
  if (size === 1) return read;
  const header = read && {
    ...read,
    owners: Object.entries(read.owners).map(([owner, { tensors, values }]) => {
      const shapes = Object.entries(tensors).map(([name, { bytes, ...about }]) => ({
        name,
        size: bytes.length,
        ...about,
      }));
      return { owner, values, shapes };
    }),
  };
  const text = world().broadcastText(header ? JSON.stringify(header) : "");
  if (text === "") return undefined;
  const { owners, ...about } = JSON.parse(text) as NonNullable<typeof header>;
  const states = owners.map(({ owner, values, shapes }) => {
    const tensors = shapes.map(({ name, size: bytes, ...form }) => {
      const mine = rank === 0 ? read!.owners[owner]!.tensors[name]!.bytes : new Uint8Array(bytes);
      return [name, { ...form, bytes: sent(mine) }] as const;
    });
    return [owner, { tensors: Object.fromEntries(tensors), values }] as const;
  });
  return read ?? { ...about, owners: Object.fromEntries(states) };
}

/** Process 0's bytes. */
function sent(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes;
  return scope(() => {
    const t = tensor(bytes, [bytes.length]);
    world().broadcast([t]);
    return t.toArray() as Uint8Array;
  });
}

/**
 * After a step: running statistics of each process's own rows become their mean, so that all processes stay the same. It is taken in float64,
 * where the mean of equal numbers is that number: statistics that no pass has changed stay. Without an optimizer none is.
 */
export function averageStatistics({
  method,
  config,
  optimizers,
}: Pick<Session, "method" | "config" | "optimizers">): void {
  if (world().size === 1 || config.syncBatchNorm || optimizers.size === 0) return;
  const buffers = Object.values(method.models).flatMap((model) => model.buffers.map(({ tensor: t }) => t));
  const statistics = buffers.filter(({ dtype }) => dtype === "float32");
  if (statistics.length === 0) return;
  noGrad(() =>
    scope(() => {
      const means = statistics.map((t) => t.to("float64"));
      world().average(means);
      for (const [i, t] of statistics.entries()) t.copy_(means[i]!);
    }),
  );
}

/**
 * Every 100 steps and after the last: throws TrainingError that names the processes whose weights are not those of process 0, bit for bit (another
 * kind of processor rounds otherwise).
 */
export function guardWeights({ method, config }: Pick<Session, "method" | "config">, step: number): void {
  const { size } = world();
  if (size === 1 || (step % GUARD_EVERY !== 0 && step !== config.steps)) return;
  const sums = noGrad(() =>
    scope(() => {
      const all = Object.values(method.models).flatMap(({ parameters, buffers }) => [...parameters, ...buffers]);
      const own = stack(all.filter(({ tensor: t }) => t.dtype === "float32").map(({ tensor: t }) => checksum(t)));
      return Array.from(world().gather(own.unsqueeze(0)).toArray(), String); // 64 bits, which a number does not hold
    }),
  );
  const count = sums.length / size;
  const ofRank = (rank: number) => sums.slice(rank * count, (rank + 1) * count).join();
  const others = Array.from({ length: size }, (_, rank) => rank).filter((rank) => ofRank(rank) !== ofRank(0));
  if (others.length === 0) return;
  throw new TrainingError(
    `step ${step}: the weights of process ${others.join(", ")} of ${size} are not those of process 0. Are all machines of one kind ` +
      "(processor, libtorch, OpenBLAS), and have all processes the same --threads? Continue from the last checkpoint where it is so",
  );
}

/** The sum of a float32 tensor's bits. */
function checksum(t: Tensor): Tensor {
  return t.detach().contiguous().viewAs("int32").to("int64").sum();
}
