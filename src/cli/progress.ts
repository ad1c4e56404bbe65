/** Progress of a run: a bar that stays in place on a terminal, a line every few seconds elsewhere. */
import { lineName } from "../files/names.js";
import type { EvaluationEvent, RoleResults, StartEvent, StepEvent, TrainEvent } from "../run/events.js";
import { count, digits, duration, isPercentage, metricName, percent } from "./format.js";

export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ProgressOptions {
  readonly stream: ProgressStream;
  /** Put before the lines of one of several runs. */
  readonly label?: string;
  /** Seconds between lines where the stream is no terminal. Default 5. */
  readonly interval?: number;
  /** Seconds, for tests. */
  readonly now?: () => number;
  readonly env?: NodeJS.ProcessEnv;
}

export class Progress {
  readonly #stream: ProgressStream;
  readonly #label: string;
  readonly #interval: number;
  readonly #now: () => number;
  readonly #tty: boolean;
  readonly #color: boolean;
  #bar = "";
  #errors = "";
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor({
    stream,
    label = "",
    interval = 5,
    now = () => performance.now() / 1000,
    env = process.env,
  }: ProgressOptions) {
    this.#stream = stream;
    this.#label = label;
    this.#interval = interval;
    this.#now = now;
    this.#tty = stream.isTTY === true && env.TERM !== "dumb";
    this.#color = this.#tty && !env.NO_COLOR;
  }

  event(event: TrainEvent): void {
    if (event.type === "start") this.line(...startLines(event));
    else if (event.type === "step") this.#step(event);
    else if (event.type === "evaluation") this.#evaluation(event);
    else if (event.type === "warning") this.line(`${this.#paint("warning:", 33)} ${lineName(event.message)}`);
    else if (event.type === "interrupted") this.line(`stopped after step ${event.step}; checkpoint in ${event.path}`);
  }

  /** Lines that stay. */
  line(...lines: readonly string[]): void {
    const prefix = this.#label ? `${this.#paint(this.#label, 36)}  ` : "";
    this.#clear();
    this.#stream.write(lines.map((line) => `${prefix}${line}\n`).join(""));
    this.#draw();
  }

  /** Takes the bar off the screen; call it before printing anything else. */
  end(): void {
    this.#clear();
    this.#bar = "";
  }

  #step(event: StepEvent): void {
    const share = event.step / event.totalSteps;
    const where = `${count(event.step)}/${count(event.totalSteps)}`;
    const speed = `${count(event.imagesPerSecond)} img/s`;
    const eta = event.step < event.totalSteps ? `ETA ${duration(event.etaSeconds)}` : "";
    const losses = Object.entries(event.metrics)
      .map(([name, value]) => `${name} ${digits(value)}`)
      .join("  ");
    const percentage = percentageOf(share);
    const rate = Number.isFinite(event.learningRate) ? `lr ${digits(event.learningRate)}` : "";
    this.#show(
      share,
      [where, eta, speed, losses, this.#errors],
      [`step ${where}`, percentage, eta, speed, losses, rate],
    );
  }

  /** How much of a file has come. Rate in bytes a second, undefined until it is known. */
  download(file: string, have: number, total: number, rate: number | undefined): void {
    const [of, percentage] = [`${megabytes(have)} of ${megabytes(total)} MB`, percentageOf(have / total)];
    const speed = rate === undefined ? "" : `${megabytes(rate)} MB/s`;
    const eta = rate === undefined || have >= total ? "" : `ETA ${duration((total - have) / rate)}`;
    this.#show(have / total, [file, of, eta, speed], [file, of, percentage, eta, speed]);
  }

  /** On a terminal a bar and `parts`; elsewhere a line of `line` when it is time for one, and at the end. */
  #show(share: number, parts: readonly string[], line: readonly string[]): void {
    const joined = (texts: readonly string[]) => texts.filter(Boolean).join("  ");
    if (this.#tty) {
      const label = this.#label ? `${this.#label} ` : "";
      this.#bar = `${label}${percentageOf(share).padStart(5)} ${barOf(share, 20)} ${joined(parts)}`;
      this.#clear();
      this.#draw();
    } else if (this.#now() - this.#lastLine >= this.#interval || share >= 1) {
      this.#lastLine = this.#now();
      this.line(joined(line));
    }
  }

  #evaluation({ step, val, test }: EvaluationEvent): void {
    const parts = [val && `val: ${errorsOf(val)}`, test && `test: ${errorsOf(test)}`].filter(Boolean);
    this.#errors = errorsOf(val ?? test ?? {});
    this.line(`step ${count(step)}  error on ${parts.join("   ")}`);
  }

  #clear(): void {
    if (this.#tty && this.#bar) this.#stream.write("\r\x1b[2K");
  }

  #draw(): void {
    if (this.#tty && this.#bar) this.#stream.write(this.#bar.slice(0, Math.max(20, (this.#stream.columns || 100) - 1)));
  }

  #paint(text: string, color: number): string {
    return this.#color ? `\x1b[${color}m${text}\x1b[0m` : text;
  }
}

function startLines({
  config,
  data,
  parameters,
  device,
  precision,
  threads,
  resumedFrom,
  processes = 1,
}: StartEvent): string[] {
  const val = data.val > 0 ? `, ${count(data.val)} for validation` : "";
  const lines = [
    `${config.method} on ${config.dataset}: ${count(data.labeled)} labeled and ${count(data.unlabeled)} unlabeled images${val}, ${count(data.test)} for test`,
    `${config.model}, ${count(parameters)} parameters, on ${device} in ${precision} with ${threads} thread${threads === 1 ? "" : "s"}${processes === 1 ? "" : ` in each of ${processes} processes`}; run folder ${config.out}`,
  ];
  if (data.labelNoise) {
    const { redrawn, changed } = data.labelNoise;
    lines.push(
      `label noise: ${count(redrawn)} of ${count(data.labeled)} labels drawn anew, ${count(changed)} of them now another class`,
    );
  }
  if (resumedFrom !== undefined) lines.push(`continues after step ${count(resumedFrom)}`);
  return lines;
}

/** Error of each role, and in brackets what else is measured in percent: `student 30.00 % (top-5 9.00 %)`. */
export function errorsOf(results: RoleResults): string {
  return Object.entries(results)
    .map(([role, result]) => {
      const more = Object.entries(result).filter(([name]) => name !== "error" && isPercentage(name));
      const brackets = more.map(([name, value]) => `${metricName(name).replace(" error", "")} ${percent(value)}`);
      return `${role} ${percent(result.error)}${brackets.length > 0 ? ` (${brackets.join(", ")})` : ""}`;
    })
    .join("  ");
}

function percentageOf(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function barOf(share: number, width: number): string {
  const full = Math.round(Math.min(1, share) * width);
  return `[${"#".repeat(full)}${"-".repeat(width - full)}]`;
}
