import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.js";
import { launchedAs, listensOn } from "../../src/torch/launched.js";
import type { Environment } from "../../src/torch/launchers.js";

const refused = (env: Environment, ...words: readonly string[]) => {
  expect(() => launchedAs(env)).toThrow(UsageError);
  for (const word of words) expect(() => launchedAs(env)).toThrow(word);
};

describe("launchedAs", () => {
  it("a process on its own is in no world, whatever says that there is one process", () => {
    expect(launchedAs({})).toBeUndefined();
    expect(launchedAs({ RANK: "0", WORLD_SIZE: "1" })).toBeUndefined();
    expect(launchedAs({ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1" })).toBeUndefined();
  });

  it("torchrun, whose agent keeps the meeting place and counts restarts", () => {
    const env = {
      ...{ RANK: "3", WORLD_SIZE: "4", LOCAL_RANK: "1", LOCAL_WORLD_SIZE: "2" },
      ...{ MASTER_ADDR: "node1", MASTER_PORT: "1234", TORCHELASTIC_USE_AGENT_STORE: "True" },
      TORCHELASTIC_RESTART_COUNT: "2",
    };
    expect(launchedAs(env)).toEqual({
      ...{ rank: 3, size: 4, localSize: 2, localRank: 1, host: "node1", port: 1234 },
      ...{ served: true, prefix: "/worker/attempt_2" },
    });
  });

  it("Kubernetes: a PyTorchJob tells rank, size and the address of process 0", () => {
    const env = { RANK: "1", WORLD_SIZE: "2", MASTER_ADDR: "job-master-0", MASTER_PORT: "23456" };
    expect(launchedAs(env)).toMatchObject({ rank: 1, size: 2, localSize: 1, host: "job-master-0", port: 23456 });
    expect(launchedAs(env)).toMatchObject({ served: false, prefix: "" });
  });

  it("Open MPI: one machine needs no address, several do", () => {
    const env = {
      ...{ OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "2", OMPI_COMM_WORLD_LOCAL_SIZE: "2" },
      PMIX_NAMESPACE: "1234567",
    };
    const place = launchedAs(env)!;
    expect(place).toMatchObject({ rank: 1, size: 2, localSize: 2, localRank: 1, host: "127.0.0.1" });
    expect(launchedAs({ ...env, PMIX_NAMESPACE: "1234568" })!.port).not.toBe(place.port);
    const several = { ...env, OMPI_COMM_WORLD_LOCAL_SIZE: "1" };
    refused(several, "several machines", "MASTER_ADDR", "mpirun -x MASTER_ADDR");
    expect(launchedAs({ ...several, MASTER_ADDR: "a" })!.host).toBe("a");
  });

  it("Slurm: a step of srun on one node and on several; a batch script is one process", () => {
    const batch = { SLURM_PROCID: "0", SLURM_NTASKS: "4", SLURM_JOB_ID: "77" };
    expect(launchedAs(batch)).toBeUndefined();
    const step = { ...batch, SLURM_PROCID: "3", SLURM_STEP_NUM_TASKS: "4", SLURM_STEP_ID: "0" };
    expect(launchedAs({ ...step, SLURM_STEP_TASKS_PER_NODE: "4" })).toMatchObject({ rank: 3, size: 4, localSize: 4 });
    const nodes = { ...step, SLURM_STEP_TASKS_PER_NODE: "2(x2)" };
    refused(nodes, "4 processes on several machines", "MASTER_ADDR", "scontrol show hostnames");
    expect(launchedAs({ ...nodes, MASTER_ADDR: "n1" })).toMatchObject({ host: "n1", localSize: 2 });
  });

  it("names the variables of a contradiction", () => {
    refused({ RANK: "0" }, "RANK=0 is set and WORLD_SIZE is not");
    refused({ WORLD_SIZE: "2" }, "WORLD_SIZE=2 is set and RANK is not");
    refused({ RANK: "2", WORLD_SIZE: "2" }, "RANK=2", "WORLD_SIZE=2");
    refused({ RANK: "one", WORLD_SIZE: "2" }, "RANK=one is no whole number");
    refused({ RANK: "0", WORLD_SIZE: "0" }, "WORLD_SIZE=0");
    refused({ RANK: "0", WORLD_SIZE: "2", MASTER_PORT: "70000" }, "MASTER_PORT=70000");
  });

  it("names the variables where RANK and WORLD_SIZE contradict another launcher, also where they say one process", () => {
    const slurm = { SLURM_PROCID: "2", SLURM_STEP_NUM_TASKS: "4", SLURM_STEP_TASKS_PER_NODE: "4" };
    refused(
      { ...slurm, RANK: "0", WORLD_SIZE: "4" },
      "RANK=0 of WORLD_SIZE=4",
      "SLURM_PROCID=2 of SLURM_STEP_NUM_TASKS=4",
    );
    const mpi = { OMPI_COMM_WORLD_RANK: "2", OMPI_COMM_WORLD_SIZE: "4" };
    refused({ ...mpi, RANK: "0", WORLD_SIZE: "1" }, "RANK=0 of WORLD_SIZE=1", "OMPI_COMM_WORLD_RANK=2");
    expect(launchedAs({ ...mpi, RANK: "2", WORLD_SIZE: "4" })).toMatchObject({ rank: 2, size: 4 });
    // A launcher that started one process, which was then told of others.
    const single = { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1" };
    expect(launchedAs({ ...single, RANK: "2", WORLD_SIZE: "4" })).toMatchObject({ rank: 2, size: 4 });
  });

  it("mpirun in an allocation of Slurm's: what srun told its daemon of itself is not looked at", () => {
    const daemon = {
      SLURM_PROCID: "1",
      SLURM_STEP_NUM_TASKS: "2",
      SLURM_STEP_TASKS_PER_NODE: "1(x2)",
      SLURM_LOCALID: "0",
    };
    const mpi = { OMPI_COMM_WORLD_RANK: "5", OMPI_COMM_WORLD_SIZE: "6", OMPI_COMM_WORLD_LOCAL_SIZE: "2" };
    const place = { rank: 5, size: 6, localSize: 2, localRank: 1 };
    expect(launchedAs({ ...daemon, ...mpi, MASTER_ADDR: "n1" })).toMatchObject(place);
  });

  it("torchrun and fewlabels launch, started by srun, count their own processes", () => {
    const slurm = { SLURM_PROCID: "0", SLURM_STEP_NUM_TASKS: "2", SLURM_STEP_TASKS_PER_NODE: "1(x2)" };
    const env = { ...slurm, RANK: "3", WORLD_SIZE: "4", LOCAL_WORLD_SIZE: "2", MASTER_ADDR: "n1", MASTER_PORT: "1" };
    expect(launchedAs({ ...env, TORCHELASTIC_RUN_ID: "none" })).toMatchObject({ rank: 3, size: 4, localSize: 2 });
    expect(launchedAs({ ...env, FEWLABELS_LAUNCH: "1" })).toMatchObject({ rank: 3, size: 4, localSize: 2 });
  });

  it("the place on the machine is what any launcher that counts alike says", () => {
    const script = { RANK: "3", WORLD_SIZE: "4", MASTER_ADDR: "n1" }; // export RANK=$SLURM_PROCID
    const slurm = { SLURM_PROCID: "3", SLURM_STEP_NUM_TASKS: "4", SLURM_LOCALID: "1" };
    const step = { ...script, ...slurm, SLURM_STEP_TASKS_PER_NODE: "2(x2)" };
    expect(launchedAs(step)).toMatchObject({ localSize: 2, localRank: 1 });
    const uneven = { ...script, ...slurm, SLURM_LOCALID: "2", SLURM_STEP_TASKS_PER_NODE: "1,3" };
    expect(launchedAs({ ...uneven, SLURM_NODEID: "1" })).toMatchObject({ localSize: 3, localRank: 2 });
    expect(launchedAs({ ...script, LOCAL_RANK: "1" })).toMatchObject({ localSize: 2, localRank: 1 });
    const mpi = { OMPI_COMM_WORLD_RANK: "3", OMPI_COMM_WORLD_SIZE: "4", OMPI_COMM_WORLD_LOCAL_SIZE: "2" };
    expect(launchedAs({ ...script, ...mpi })).toMatchObject({ localSize: 2, localRank: 1 });
  });

  it.each<[string, Environment, string]>([
    ["none", { LOCAL_WORLD_SIZE: "0" }, "LOCAL_WORLD_SIZE=0 is no number of processes on a machine, of WORLD_SIZE=2"],
    ["more than there are", { LOCAL_WORLD_SIZE: "4" }, "LOCAL_WORLD_SIZE=4"],
    ["no number", { LOCAL_WORLD_SIZE: "abc" }, "LOCAL_WORLD_SIZE=abc is no whole number"],
    ["a number past the others", { LOCAL_RANK: "5" }, "LOCAL_RANK=5 is not below WORLD_SIZE=2"],
    [
      "a number past those here",
      { LOCAL_RANK: "1", LOCAL_WORLD_SIZE: "1" },
      "LOCAL_RANK=1 is not below LOCAL_WORLD_SIZE=1",
    ],
  ])("refuses a place on the machine that cannot be: %s", (_, local, words) => {
    refused({ RANK: "1", WORLD_SIZE: "2", MASTER_ADDR: "n1", ...local }, words);
    const slurm = { SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "2", MASTER_ADDR: "n1" };
    refused({ ...slurm, SLURM_STEP_TASKS_PER_NODE: "two" }, "SLURM_STEP_TASKS_PER_NODE=two is no list of numbers");
  });
});

describe("listensOn", () => {
  it("is the loopback only where all processes are on this machine: Kubernetes tells process 0 `localhost`", () => {
    const first = { RANK: "0", WORLD_SIZE: "2", MASTER_PORT: "23456" };
    for (const host of ["localhost", "127.0.0.1"]) {
      expect(listensOn(launchedAs({ ...first, MASTER_ADDR: host })!)).toBe("");
      expect(listensOn(launchedAs({ ...first, MASTER_ADDR: host, LOCAL_WORLD_SIZE: "1" })!)).toBe("");
      expect(listensOn(launchedAs({ ...first, MASTER_ADDR: host, LOCAL_WORLD_SIZE: "2" })!)).toBe("127.0.0.1");
    }
    expect(listensOn(launchedAs({ ...first, MASTER_ADDR: "node1", LOCAL_WORLD_SIZE: "2" })!)).toBe("");
  });
});
