/**
 * The processes that train one network together, on libtorch's own process group. A batch belongs to all of them: process r of W has its
 * rows r, r + W, r + 2 W, ..., and what a network says of them is collected again, so that losses are those of the whole batch.
 */
import { EngineError } from "../errors.js";
import { setupCommand } from "../package.js";
import { addon } from "./addon.js";
import { noGrad } from "./grad.js";
import { launchedAs, listensOn, type Place } from "./launched.js";
import { cat } from "./ops.js";
import { scope } from "./scope.js";
import type { Spread } from "./spread.js";
import { Tensor, tensor } from "./tensor.js";

export interface World extends Spread {
  /** Every tensor (one type) becomes its sum over all processes, in place, in one message, with which the flag of `agreed` travels. */
  sum(tensors: readonly Tensor[]): void;
  /** The same, and their mean. */
  average(tensors: readonly Tensor[]): void;
  /** `[n, ...]` -> `[n W, ...]`, rows in their order in the whole batch. The gradient flows into the own rows. */
  gather(rows: Tensor): Tensor;
  /** `[n W, ...]` -> `[n, ...]`: the own rows of something that every process has whole. */
  own(all: Tensor): Tensor;
  /** All get the values that process 0 has, in place. */
  broadcast(tensors: readonly Tensor[]): void;
  broadcastText(text: string): string;
  /**
   * Whether any process has raised its flag: what the messages since the last call have told, and a message of its own where there
   * was none. All processes get the same answer.
   */
  agreed(): boolean;
  /** Whether it is so in any process: a message of its own. All processes get the same answer. */
  any(mine: boolean): boolean;
  /** Returns when all are here. */
  barrier(): void;
}

/** What a process alone has: nothing is sent, everything is its own. */
const alone = (flag: () => boolean): World => ({
  rank: 0,
  size: 1,
  sum() {},
  average() {},
  gather: (rows) => rows,
  own: (all) => all,
  broadcast() {},
  broadcastText: (text) => text,
  agreed: flag,
  any: (mine) => mine,
  barrier() {},
});

const never = () => false;
let here = alone(never);

export function world(): World {
  return here;
}

/** What messages between processes go through: Gloo's over TCP, from CPU to CPU, or NCCL's from GPU to GPU. */
export type Transport = "gloo" | "nccl";

/** Those the engine was built with. */
export function transports(): readonly Transport[] {
  return addon().transports().split(" ").filter(Boolean) as Transport[];
}

/** Whether the engine was built with what several processes on `device` need. */
export function canJoin(device = "cpu"): boolean {
  return transports().some((name) => name === "gloo" || device !== "cpu");
}

export interface WorldOptions {
  /** Longest wait for another process. */
  readonly seconds: number;
  /** This process's flag (see `agreed`), asked at every message. */
  readonly flag?: () => boolean;
  /** Default: what the environment tells of. */
  readonly place?: Place | undefined;
  /** Where this process trains: on GPUs, one for each process, messages go through NCCL where the engine has it. Default "cpu". */
  readonly device?: string;
}

/**
 * Joins the other processes, or stays alone. Throws EngineError where the engine cannot, or the others are not met in time; later
 * messages fail after as long a wait.
 */
export function openWorld({ seconds, flag = never, place = launchedAs(), device = "cpu" }: WorldOptions): World {
  here = place ? join(place, seconds, flag, device) : alone(flag);
  return here;
}

/** The run is over. Where it has failed in this process the others are left at once; else they are met again by the next run. */
export function closeWorld({ failed }: { readonly failed: boolean }): void {
  if (here.size > 1 && failed) addon().closeGroup();
  here = alone(never);
}

function join(place: Place, seconds: number, flag: () => boolean, device: string): World {
  const { rank, size, host, port, served, prefix } = place;
  const native = addon();
  if (!native.openGroup || !canJoin(device)) throw new EngineError(notBuilt(size));
  const address = listensOn(place);
  const networkInterface = process.env.GLOO_SOCKET_IFNAME ?? "";
  const serves = rank === 0 && !served;
  const card = device === "cpu" ? -1 : Number(device.split(":")[1] ?? 0);
  let refused: string;
  try {
    refused = native.openGroup(rank, size, host, port, serves, prefix, address, networkInterface, seconds, card);
  } catch (error) {
    throw new EngineError(
      `process ${rank} of ${size}: did not meet the others at ${host}:${port} within ${seconds} s. ` +
        `Are all of them started, and is the port free and open? (${reason(error)})`,
      { cause: error },
    );
  }
  if (refused !== "") {
    throw new EngineError(
      `process ${rank} of ${size}: ${refused}. Start as many processes on a machine as it has GPUs, with --device cuda`,
    );
  }
  return together(rank, size, flag);
}

/** Why `size` processes cannot train together here. */
function notBuilt(size: number): string {
  const some = transports().length > 0;
  const what = some
    ? "to train together on CPUs, and the engine was built with NCCL alone, which is for GPUs (--device cuda)"
    : "to train together, and the engine was built without Gloo and NCCL";
  return (
    `fewlabels: ${size} processes are ${what}. \`npx fewlabels doctor\` says why ` +
    `(Gloo: Debian's libtorch wants libgloo-dev and ${setupCommand()}; a Python wheel comes without its headers)`
  );
}

function together(rank: number, size: number, flag: () => boolean): World {
  /** What messages have told of flags since they were last asked; undefined: no message. */
  let told: boolean | undefined;
  const reduce = (tensors: readonly Tensor[], divisor: number) => {
    const flags = send(() =>
      addon().allReduce(
        tensors.map((t) => t.handle),
        divisor,
        flag() ? 1 : 0,
      ),
    );
    told = (told ?? false) || flags > 0;
  };
  const world: World = {
    rank,
    size,
    sum: (tensors) => reduce(tensors, 1),
    average: (tensors) => reduce(tensors, size),
    gather(rows) {
      const shape = rows.shape.slice(1);
      const spread = (t: Tensor) => t.transpose(0, 1); // [W, n, ...] -> [n, W, ...]
      const all = spread(new Tensor(send(() => addon().allGather(rows.handle))));
      const parts = [all.narrow(1, 0, rank), rows.unsqueeze(1), all.narrow(1, rank + 1, size - rank - 1)];
      const joined = cat(parts, 1).reshape([rows.size(0) * size, ...shape]);
      return rows.isChannelsLast ? joined.contiguous("channelsLast") : joined;
    },
    own(all) {
      const rows = all.everyNth(0, rank, size);
      return all.isChannelsLast ? rows.contiguous("channelsLast") : rows;
    },
    broadcast(tensors) {
      send(() =>
        addon().broadcast(
          tensors.map((t) => t.handle),
          0,
        ),
      );
    },
    broadcastText(text) {
      return scope(() => {
        const bytes = Buffer.from(text);
        const length = tensor(Int32Array.of(bytes.length), [1]);
        world.broadcast([length]);
        const content = new Uint8Array(length.toNumbers()[0]!);
        if (content.length === 0) return "";
        content.set(bytes.subarray(0, content.length));
        const sent = tensor(content, [content.length]);
        world.broadcast([sent]);
        return Buffer.from(sent.toArray() as Uint8Array).toString();
      });
    },
    agreed() {
      if (told === undefined) reduce([], 1);
      const answer = told ?? false;
      told = undefined;
      return answer;
    },
    any: (mine) =>
      scope(() => {
        const count = tensor([mine ? 1 : 0], [1]);
        world.sum([count]);
        return count.item() > 0;
      }),
    barrier: () => reduce([], 1),
  };
  return world;
}

/** The engine's words without the name of its function. */
function send<T>(message: () => T): T {
  try {
    return noGrad(message);
  } catch (error) {
    throw new EngineError(reason(error), { cause: error });
  }
}

function reason(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
