/** The files that start several processes on a cluster: their shape, and that what they call exists. No cluster is at hand. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { commands } from "../../src/cli/commands/index.js";
import { flagsOf } from "../../src/cli/flags.js";
import { parseArguments } from "../../src/cli/parse.js";
import { catalog } from "../../src/config/catalog.js";
import { launchedAs } from "../../src/torch/launched.js";

const path = (name: string) => fileURLToPath(new URL(`../../examples/cluster/${name}`, import.meta.url));
const text = (name: string) => readFileSync(path(name), "utf8");

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly volumeMounts: readonly { readonly name: string }[];
}
interface Pod {
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string }[];
  readonly restartPolicy?: string;
}

/** The words of a training, as the program would read them. */
function accepted(words: readonly string[]): ReadonlyMap<string, unknown> {
  const train = commands.find(({ name }) => name === "train")!;
  expect(words[0]).toBe("train");
  return parseArguments(train, flagsOf(train, catalog), words.slice(1)).given;
}

function checkPod({ containers: [{ image, command, args, volumeMounts }], volumes }: Pod, processes: number): void {
  expect(image).not.toBe("");
  expect(command[0]).toBe("fewlabels");
  const given = accepted([...command.slice(1), ...args]);
  for (const part of ["batch", "labeledBatch"]) expect(Number(given.get(part)) % processes, part).toBe(0);
  expect(given.get("resume")).toBe(true);
  expect(volumes.map(({ name }) => name)).toEqual(volumeMounts.map(({ name }) => name));
}

describe("examples/cluster", () => {
  it("pytorchjob.yaml: a master and workers, alike, with the operator's container name", () => {
    const job = parse(text("pytorchjob.yaml"));
    expect([job.apiVersion, job.kind]).toEqual(["kubeflow.org/v1", "PyTorchJob"]);
    const { Master, Worker, ...others } = job.spec.pytorchReplicaSpecs;
    expect(others).toEqual({});
    expect(Master.replicas).toBe(1);
    for (const { restartPolicy, template } of [Master, Worker]) {
      expect(["Always", "OnFailure", "Never", "ExitCode"]).toContain(restartPolicy);
      expect(template.spec.containers[0].name).toBe("pytorch");
      checkPod(template.spec, Master.replicas + Worker.replicas);
    }
  });

  it("jobset.yaml: an indexed job whose index is the rank, and whose first pod is where they meet", () => {
    const set = parse(text("jobset.yaml"));
    expect([set.apiVersion, set.kind]).toEqual(["jobset.x-k8s.io/v1alpha2", "JobSet"]);
    const [{ name, replicas, template: job }] = set.spec.replicatedJobs;
    expect([replicas, job.spec.completionMode, job.spec.parallelism]).toEqual([1, "Indexed", job.spec.completions]);
    const pod: Pod = job.spec.template.spec;
    checkPod(pod, job.spec.completions);
    expect(pod.restartPolicy).toBe("Never"); // of an indexed job whose set starts it again
    const env = Object.fromEntries(pod.containers[0].env!.map((one) => [one.name, one.value ?? "1"]));
    expect(launchedAs(env)).toMatchObject({
      rank: 1,
      size: job.spec.completions,
      host: `${set.metadata.name}-${name}-0-0.${set.metadata.name}`,
    });
    const rank = pod.containers[0].env!.find((one) => one.name === "RANK")!;
    expect(JSON.stringify(rank.valueFrom)).toContain("batch.kubernetes.io/job-completion-index");
  });

  it("train.sbatch: a shell script whose step the environment then tells of", () => {
    execFileSync("bash", ["-n", path("train.sbatch")]);
    const script = text("train.sbatch");
    const option = (name: string) => new RegExp(`^#SBATCH --${name}=(\\S+)$`, "m").exec(script)?.[1];
    const processes = Number(option("nodes")) * Number(option("ntasks-per-node"));
    expect(script).toMatch(/srun [^\n]*--cpus-per-task="\$SLURM_CPUS_PER_TASK"/);
    const step = /srun [^\n]*fewlabels (train[\s\S]*)$/.exec(script)![1]!;
    const words = step
      .replaceAll("\\\n", " ")
      .replaceAll(/["]|\$\{?\w+\}?/g, "8")
      .trim()
      .split(/\s+/);
    const given = accepted(words);
    for (const part of ["batch", "labeledBatch"]) expect(Number(given.get(part)) % processes, part).toBe(0);
    for (const name of ["MASTER_ADDR", "MASTER_PORT"]) expect(script).toMatch(new RegExp(`^export ${name}=`, "m"));
    expect(option("signal")).toMatch(/^TERM@\d+$/);
  });
});
