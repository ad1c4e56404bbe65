/** What the server and the process that thinks about pictures say to each other. Places count the pictures that were opened. */
import type { Chosen } from "./choose.js";
import type { Guesses, LabelDoubt } from "./judge.js";

export interface Opened {
  /** Places of the pictures that could be read, ascending: all other answers speak of these, in this order. */
  readonly rows: Int32Array;
  readonly damaged: readonly { readonly at: number; readonly reason: string }[];
}

export interface Work {
  open: {
    readonly take: {
      readonly paths: readonly string[];
      readonly source: string | undefined;
      readonly threads: number;
      readonly seed: number;
    };
    readonly give: Opened;
  };
  choose: {
    readonly take: {
      readonly labels: Int32Array;
      readonly numClasses: number;
      readonly count: number;
      readonly turn: number;
    };
    readonly give: Chosen;
  };
  /** `[rows, 2]` in 0 .. 1. */
  map: { readonly take: Record<never, never>; readonly give: Float32Array };
  guess: { readonly take: { readonly run: string }; readonly give: Guesses };
  doubts: {
    readonly take: { readonly labels: Int32Array; readonly numClasses: number };
    readonly give: readonly LabelDoubt[];
  };
}

export type Job = {
  [K in keyof Work]: { readonly id: number; readonly do: K; readonly take: Work[K]["take"] };
}[keyof Work];

export type Answered =
  | { readonly id: number; readonly give: Work[keyof Work]["give"] }
  /** `user`: the message is for people, and no fault of ours. */
  | { readonly id: number; readonly error: string; readonly user: boolean }
  | { readonly progress: number };
