/** What the launcher of this process (torchrun, Open MPI's mpirun, Slurm's srun, Kubernetes, `fewlabels launch`) says of its place. */
import { UsageError } from "../errors.js";
import { contradiction, count, type Environment, localTold, told } from "./launchers.js";

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

/** Where two runs on one machine are unlikely to meet. */
const [FIRST_PORT, PORTS] = [20_000, 12_000];

/**
 * The place that the environment tells of; undefined for a process on its own. Throws UsageError that names the variables where they
 * contradict each other, or where processes on several machines are not told where to meet.
 */
export function launchedAs(env: Environment = process.env): Place | undefined {
  const alike = told(env);
  const [first] = alike;
  if (!first || first.size === 1) return undefined;
  const { rank, size } = first;
  const local = localTold(env, alike);
  const localSize = local.localSize ?? ((env.MASTER_ADDR ?? "") === "" ? size : (local.localRank ?? 0) + 1);
  const agent = env.TORCHELASTIC_USE_AGENT_STORE === "True";
  return {
    rank,
    size,
    localSize,
    localRank: local.localRank ?? rank % localSize,
    host: hostOf(env, localSize < size, size),
    port: portOf(env),
    served: agent,
    prefix: agent ? `/worker/attempt_${env.TORCHELASTIC_RESTART_COUNT ?? 0}` : "",
  };
}

/**
 * The address that Gloo listens on: the loopback's, or "" for that of the host's name. Where there may be other machines MASTER_ADDR says
 * nothing of it: Kubernetes' operator tells process 0 `localhost`, and the others do not reach that.
 */
export function listensOn({ host, localSize, size }: Place): string {
  return localSize === size && /^(127\.|localhost$)/.test(host) ? "127.0.0.1" : "";
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
