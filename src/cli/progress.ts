/** Progress of a run: a bar that stays in place on a terminal, a line every few seconds elsewhere. */
import type { EvaluationEvent, RoleResults, StartEvent, StepEvent, TrainEvent } from "../train/events.js";
import { count, digits, duration, percent } from "./format.js";

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
    else if (event.type === "warning") this.line(`${this.#paint("warning:", 33)} ${event.message}`);
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
    const percentage = `${Math.floor(share * 100)} %`.padStart(5);
    if (this.#tty) {
      const label = this.#label ? `${this.#label} ` : "";
      const rest = [where, eta, speed, losses, this.#errors].filter(Boolean).join("  ");
      this.#bar = `${label}${percentage} ${barOf(share, 20)} ${rest}`;
      this.#clear();
      this.#draw();
    } else if (this.#now() - this.#lastLine >= this.#interval || event.step === event.totalSteps) {
      this.#lastLine = this.#now();
      this.line(
        [`step ${where}`, percentage.trim(), eta, speed, losses, `lr ${digits(event.learningRate)}`]
          .filter(Boolean)
          .join("  "),
      );
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
    if (this.#tty && this.#bar) this.#stream.write(this.#bar.slice(0, Math.max(20, (this.#stream.columns ?? 100) - 1)));
  }

  #paint(text: string, color: number): string {
    return this.#color ? `\x1b[${color}m${text}\x1b[0m` : text;
  }
}

function startLines({ config, data, parameters, device, precision, threads, resumedFrom }: StartEvent): string[] {
  const val = data.val > 0 ? `, ${count(data.val)} for validation` : "";
  const lines = [
    `${config.method} on ${config.dataset}: ${count(data.labeled)} labeled and ${count(data.unlabeled)} unlabeled images${val}, ${count(data.test)} for test`,
    `${config.model}, ${count(parameters)} parameters, on ${device} in ${precision} with ${threads} thread${threads === 1 ? "" : "s"}; run folder ${config.out}`,
  ];
  if (resumedFrom !== undefined) lines.push(`continues after step ${count(resumedFrom)}`);
  return lines;
}

export function errorsOf(results: RoleResults): string {
  return Object.entries(results)
    .map(([role, { error }]) => `${role} ${percent(error)}`)
    .join("  ");
}

function barOf(share: number, width: number): string {
  const full = Math.round(Math.min(1, share) * width);
  return `[${"#".repeat(full)}${"-".repeat(width - full)}]`;
}
