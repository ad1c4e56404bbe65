/** The variables in which launchers (torchrun, Open MPI's mpirun, Slurm's srun, Kubernetes, `fewlabels launch`) tell a process who it is. */
import { UsageError } from "../errors.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The names that each launcher gives to the same things, in the order in which they are believed. */
const launchers = [
  {
    who: "torchrun, Kubernetes and fewlabels launch",
    rank: "RANK",
    size: "WORLD_SIZE",
    local: "LOCAL_WORLD_SIZE",
    number: "LOCAL_RANK",
  },
  {
    who: "Open MPI",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
    local: "OMPI_COMM_WORLD_LOCAL_SIZE",
    number: "OMPI_COMM_WORLD_LOCAL_RANK",
  },
  // Of a step (srun): a batch script without it has SLURM_PROCID and SLURM_NTASKS too, and is one process.
  {
    who: "Slurm",
    rank: "SLURM_PROCID",
    size: "SLURM_STEP_NUM_TASKS",
    local: "SLURM_STEP_TASKS_PER_NODE",
    number: "SLURM_LOCALID",
  },
] as const;

/** What one launcher says. */
export interface Told {
  readonly names: (typeof launchers)[number];
  readonly rank: number;
  readonly size: number;
}

/**
 * What the launchers say that count this process alike, the first the one that is believed; none for a process on its own. Throws
 * UsageError that names the variables where they contradict each other.
 */
export function told(env: Environment): readonly Told[] {
  const all = launchers.flatMap((names) => toldBy(env, names));
  // mpirun in an allocation of Slurm's starts its daemons with srun, and what srun told them stays in the environment.
  const mpi = all.some(({ names }) => names.who === "Open MPI");
  const [first, ...others] = mpi ? all.filter(({ names }) => names.who !== "Slurm") : all;
  if (!first) return [];
  const alike = others.filter(({ rank, size }) => rank === first.rank && size === first.size);
  // srun or mpirun may start torchrun or `fewlabels launch`, whose processes then count for themselves, or a single process.
  const own = env.TORCHELASTIC_RUN_ID !== undefined || env.FEWLABELS_LAUNCH !== undefined;
  const other = own ? undefined : others.find((one) => one.size > 1 && !alike.includes(one));
  if (other) {
    const said = [first, other].map(({ names, rank, size }) => `${names.rank}=${rank} of ${names.size}=${size}`);
    throw contradiction(said.join(" and "));
  }
  return [first, ...alike];
}

function toldBy(env: Environment, names: Told["names"]): Told[] {
  const [rank, size] = [count(env, names.rank), count(env, names.size)];
  if (size === undefined || rank === undefined) {
    // Slurm tells batch scripts their rank, Kubernetes may tell one process nothing.
    if (names.who !== "Slurm" && (rank ?? size) !== undefined) {
      const [there, missing] = rank === undefined ? [names.size, names.rank] : [names.rank, names.size];
      throw contradiction(`${there}=${env[there]} is set and ${missing} is not`);
    }
    return [];
  }
  if (size < 1) throw contradiction(`${names.size}=${size} is no number of processes`);
  if (rank >= size) throw contradiction(`${names.rank}=${rank} is not below ${names.size}=${size}`);
  return [{ names, rank, size }];
}

/**
 * How many processes are on this machine, and which of them this one is: from any of the launchers that count alike. Undefined where none says it.
 * Throws UsageError where the numbers cannot be.
 */
export function localTold(env: Environment, alike: readonly Told[]) {
  const [sizeName, localSize] = firstOf(alike, ({ names }) => [names.local, localCount(env, names)]);
  const [rankName, localRank] = firstOf(alike, ({ names }) => [names.number, count(env, names.number)]);
  const { names, size } = alike[0]!;
  if (localSize !== undefined && (localSize < 1 || localSize > size)) {
    throw contradiction(
      `${sizeName}=${env[sizeName!]} is no number of processes on a machine, of ${names.size}=${size}`,
    );
  }
  const [above, most] = localSize === undefined ? [names.size, size] : [sizeName!, localSize];
  if (localRank !== undefined && localRank >= most) {
    throw contradiction(`${rankName}=${localRank} is not below ${above}=${env[above]}`);
  }
  return { localSize, localRank };
}

/** The first that is set, with its name. */
function firstOf(alike: readonly Told[], read: (one: Told) => readonly [string, number | undefined]) {
  return alike.map(read).find(([, value]) => value !== undefined) ?? ([undefined, undefined] as const);
}

/** "4", or Slurm's "4(x2),3": this machine's, the largest where SLURM_NODEID does not say which one this is. */
function localCount(env: Environment, { who, local }: Told["names"]): number | undefined {
  const text = env[local];
  if (who !== "Slurm" || text === undefined || text === "") return count(env, local);
  const machines = text.split(",").flatMap((part) => {
    const found = /^(\d{1,9})(?:\(x(\d{1,6})\))?$/.exec(part);
    if (!found) throw contradiction(`${local}=${text} is no list of numbers of tasks`);
    return Array.from({ length: Number(found[2] ?? 1) }, () => Number(found[1]));
  });
  return machines[count(env, "SLURM_NODEID") ?? -1] ?? machines.reduce((most, n) => Math.max(most, n));
}

/** A whole number from 0, undefined where the variable is not set. Throws UsageError where it is anything else. */
export function count(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw contradiction(`${name}=${text} is no whole number`);
}

export function contradiction(what: string): UsageError {
  return new UsageError(
    `fewlabels: the environment says how many processes train together, and not consistently: ${what}. ` +
      "Start all of them with one launcher, or unset these variables to train in one process",
  );
}
