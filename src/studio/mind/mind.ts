/** The server's side of the process that thinks about pictures. */
import { type ChildProcess, fork } from "node:child_process";
import { EngineError, FewlabelsError } from "../../errors.js";
import { packagePath } from "../../package.js";
import type { Answered, Job, Work } from "./messages.js";

export interface Mind {
  /** Rejects with what the work throws, or an EngineError where the process has ended. */
  ask<K extends keyof Work>(what: K, take: Work[K]["take"]): Promise<Work[K]["give"]>;
  close(): void;
}

interface Waiting {
  resolve(value: Work[keyof Work]["give"]): void;
  reject(error: Error): void;
}

/** `onProgress`: of the pictures being opened, how many are read. */
export function startMind(onProgress: (done: number) => void): Mind {
  const child: ChildProcess = fork(packagePath("dist/studio/mind/main.js"), [], {
    serialization: "advanced",
    execArgv: [],
    // What it may print is for nobody; a stack of a crash is.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const waiting = new Map<number, Waiting>();
  let [last, ended] = [0, false];
  const end = () => {
    ended = true;
    for (const { reject } of waiting.values()) reject(new EngineError("the process that reads the pictures has ended"));
    waiting.clear();
  };
  child.on("message", (answer: Answered) => {
    if ("progress" in answer) return onProgress(answer.progress);
    const one = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (!one) return;
    if ("error" in answer) one.reject(answer.user ? new FewlabelsError(answer.error) : new Error(answer.error));
    else one.resolve(answer.give);
  });
  child.on("exit", end);
  child.on("error", end);
  return {
    ask(what, take) {
      if (ended) return Promise.reject(new EngineError("the process that reads the pictures has ended"));
      const id = ++last;
      return new Promise((resolve, reject) => {
        // The answer to a job of this kind is of this kind: `main.ts` gives it by the same table.
        waiting.set(id, { resolve: (value) => resolve(value as Work[typeof what]["give"]), reject });
        child.send({ id, do: what, take } as Job);
      });
    },
    close() {
      ended = true;
      child.removeAllListeners("exit");
      child.kill();
    },
  };
}
