/** What a benchmark found, as `bench --json` prints it, and as text. */
import { count, table } from "../format.js";
import type { Machine } from "./machine.js";

export interface PeerTurn {
  readonly ours: { readonly imagesPerSecond: number; readonly stepSecondsMedian: number; readonly memoryMB: number };
  readonly peer: {
    readonly imagesPerSecond: number;
    readonly stepSecondsMedian: number;
    readonly memoryMB: number | null;
  };
  /** Images per second, ours over the peer's. */
  readonly ratio: number;
  readonly load: { readonly before: number; readonly between: number; readonly after: number };
}

export interface PeerComparison {
  readonly command: readonly string[];
  readonly turns: readonly PeerTurn[];
  readonly ratioMedian: number;
}

/** One measurement, as `bench --json` prints it. */
export interface BenchResult {
  readonly method: string;
  readonly model: string;
  readonly modelOptions: Readonly<Record<string, unknown>>;
  readonly dataset: string;
  readonly batch: number;
  readonly labeledBatch: number;
  readonly device: string;
  readonly precision: string;
  readonly threads: number;
  readonly parameters: number;
  readonly warmup: number;
  readonly steps: number;
  readonly stepSecondsMedian: number;
  readonly stepSecondsP10: number;
  readonly stepSecondsP90: number;
  readonly imagesPerSecond: number;
  /** Resident memory after the first, the middle and the last measured step, and the most. */
  readonly memoryMB: { readonly first: number; readonly middle: number; readonly last: number; readonly max: number };
  readonly phases: Readonly<Record<string, number>>;
  readonly load: { readonly before: number; readonly after: number };
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly date: string;
  readonly peer?: PeerComparison;
}

/** The result as lines of text. */
export function benchLines(result: BenchResult): string[] {
  const ms = (seconds: number) => `${(seconds * 1000).toFixed(1)} ms`;
  const { memoryMB: memory, peer } = result;
  const phases = Object.entries(result.phases).map(([name, seconds]) => [`  ${name}`, ms(seconds)]);
  const lines = [
    `${result.method}, ${result.model} (${count(result.parameters)} parameters), batch ${result.batch}, ${result.precision} on ${result.device}, ${result.threads} threads`,
    ...table([
      ["step, median", ms(result.stepSecondsMedian)],
      ["step, 10 % to 90 %", `${ms(result.stepSecondsP10)} to ${ms(result.stepSecondsP90)}`],
      ...phases,
      ["images per second", count(result.imagesPerSecond)],
      ["memory first, middle, last", `${memory.first}, ${memory.middle}, ${memory.last} MB`],
      ["load before, after", `${result.load.before}, ${result.load.after}`],
    ]),
  ];
  if (peer) {
    lines.push(
      "",
      ...table([
        ["turn", "ours, images/s", "peer, images/s", "ratio"],
        ...peer.turns.map((turn, i) => [
          String(i + 1),
          count(turn.ours.imagesPerSecond),
          count(turn.peer.imagesPerSecond),
          turn.ratio.toFixed(2),
        ]),
        ["median", "", "", peer.ratioMedian.toFixed(2)],
      ]),
      `memory at most: ours ${memory.max} MB, peer ${peer.turns[0]?.peer.memoryMB ?? "?"} MB`,
    );
  }
  return lines;
}
