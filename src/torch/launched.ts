/** What the launcher of this process (torchrun, Open MPI's mpirun, Slurm's srun, Kubernetes, `fewlabels launch`) says of its place. */
import { UsageError } from "../errors.js";

/** A process among those that train one network together. */
export interface Place {
  /** 0 .. size - 1. Process 0 writes the run folder. */
  readonly rank: number;
  readonly size: number;
  /** Processes of them on this machine. */
  readonly localSize: number;
  /** 0 .. localSize - 1: its number among those. */
  readonly localRank: number;
  /** Where the processes find each other. */
  readonly host: string;
  readonly port: number;
  /** Somebody else (torchrun's agent) keeps the meeting place, which otherwise process 0 does. */
  readonly served: boolean;
  /** Before every key there, so that a restart does not read what was written before it. */
  readonly prefix: string;
}

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

/** Where two runs on one machine are unlikely to meet. */
const [FIRST_PORT, PORTS] = [20_000, 12_000];

/**
 * The place that the environment tells of; undefined for a process on its own. Throws UsageError that names the variables where they
 * contradict each other, or where processes on several machines are not told where to meet.
 */
export function launchedAs(env: Environment = process.env): Place | undefined {
  const told = launchers.flatMap((names) => {
    const [rank, size] = [count(env, names.rank), count(env, names.size)];
    // Slurm tells batch scripts their rank, Kubernetes may tell one process nothing.
    if (size === undefined || rank === undefined) {
      if (names.who !== "Slurm" && (rank ?? size) !== undefined) {
        const [there, missing] = rank === undefined ? [names.size, names.rank] : [names.rank, names.size];
        throw contradiction(`${there}=${env[there]} is set and ${missing} is not`);
      }
      return [];
    }
    if (size < 1) throw contradiction(`${names.size}=${size} is no number of processes`);
    if (rank >= size) throw contradiction(`${names.rank}=${rank} is not below ${names.size}=${size}`);
    return [{ names, rank, size }];
  });
  const [first, ...others] = told;
  if (!first) return undefined;
  for (const other of others) {
    // srun or mpirun may start torchrun, whose processes then count for themselves; two that count alike must agree.
    if (other.size === 1 || first.names.who.startsWith("torchrun")) continue;
    if (other.rank === first.rank && other.size === first.size) continue;
    const said = [first, other].map(({ names, rank, size }) => `${names.rank}=${rank} of ${names.size}=${size}`);
    throw contradiction(said.join(" and "));
  }
  const { names, rank, size } = first;
  if (size === 1) return undefined;
  const localSize = localCount(env[names.local]) ?? (env.MASTER_ADDR === undefined ? size : 1);
  const agent = env.TORCHELASTIC_USE_AGENT_STORE === "True";
  return {
    rank,
    size,
    localSize,
    localRank: count(env, names.number) ?? rank % localSize,
    host: hostOf(env, localSize < size, size),
    port: portOf(env),
    served: agent,
    prefix: agent ? `/worker/attempt_${env.TORCHELASTIC_RESTART_COUNT ?? 0}` : "",
  };
}

function hostOf({ MASTER_ADDR: host, SLURM_PROCID: slurm }: Environment, several: boolean, size: number): string {
  if (host !== undefined && host !== "") return host;
  if (!several) return "127.0.0.1";
  const how =
    slurm === undefined
      ? "mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=29500, HOST being the machine of process 0"
      : 'export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1) before srun';
  throw new UsageError(
    `fewlabels: ${size} processes on several machines, and MASTER_ADDR does not say where they meet. Give it: ${how}`,
  );
}

/** MASTER_PORT; else one that the job's own name makes, so that two jobs on one machine do not meet. */
function portOf(env: Environment): number {
  const given = count(env, "MASTER_PORT");
  if (given !== undefined) {
    if (given >= 1 && given <= 65_535) return given;
    throw contradiction(`MASTER_PORT=${given} is no port (1..65535)`);
  }
  const job = env.PMIX_NAMESPACE ?? env.OMPI_MCA_ess_base_jobid ?? env.SLURM_JOB_ID;
  if (job === undefined) return 29_500;
  const name = `${job}/${env.SLURM_STEP_ID ?? ""}`;
  return FIRST_PORT + ([...name].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) >>> 0, 7) % PORTS);
}

/** A whole number from 0, undefined where the variable is not set. Throws UsageError where it is anything else. */
function count(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw contradiction(`${name}=${text} is no whole number`);
}

/** "4", or Slurm's "4(x2),3": the first machine's. */
function localCount(text: string | undefined): number | undefined {
  const found = /^\d+/.exec(text ?? "");
  return found ? Number(found[0]) : undefined;
}

function contradiction(what: string): UsageError {
  return new UsageError(
    `fewlabels: the environment says how many processes train together, and not consistently: ${what}. ` +
      "Start all of them with one launcher, or unset these variables to train in one process",
  );
}
