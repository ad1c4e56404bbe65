/** The learning-rate schedules of a run: a row each, from options and lengths of time to a function of the step. */
import { badValue, UsageError } from "../errors.js";
import { choice, integer, type Need, need, needFact, needThat, number, type OptionsOf, text } from "../options.js";
import {
  constantRate,
  cosine7_16Rate,
  gmplRate,
  kekRate,
  linearCosineRate,
  type Schedule,
  sigmoidDown,
  sigmoidRate,
  stairsRate,
  teDown,
  temporalEnsemblingRate,
} from "../schedules/index.js";

/** Options with every length of time filled in. */
export interface Times {
  /** The largest rate. */
  readonly base: number;
  /** The rate at step 0 of a linear warm-up. */
  readonly initial: number;
  readonly totalSteps: number;
  readonly warmupSteps: number;
  readonly rampDownSteps: number;
  readonly cosineSteps: number;
  readonly waitSteps: number;
  readonly epochSteps: number;
  /** Steps at which the rate drops, and the factor it drops by. */
  readonly drops: readonly number[];
  readonly dropFactor: number;
}

interface ScheduleRow {
  /** Whose it is, for the help. */
  readonly of?: string;
  /** Which options it reads beside the rate and the warm-up. */
  readonly reads?: readonly (
    | "initialLr"
    | "rampDownSteps"
    | "cosineSteps"
    | "waitSteps"
    | "epochSteps"
    | "dropSteps"
    | "dropFactor"
  )[];
  /** Length of the warm-up where none is given, as a share of the run; default 0. */
  readonly warmupShare?: number;
  rate(times: Times): Schedule;
  /** Factor of the ramp-down, which Adam's beta1 follows; default 1 throughout. */
  down?(times: Times): Schedule;
}

/** By the name that `--optimizer.schedule` takes. Formulas in schedules/learning-rate.ts. */
export const learningRateSchedules = {
  sigmoid: {
    of: "Mean Teacher's ConvNet",
    reads: ["rampDownSteps"],
    warmupShare: 4 / 15,
    rate: sigmoidRate,
    down:
      ({ rampDownSteps, totalSteps }) =>
      (step) =>
        sigmoidDown(step, rampDownSteps, totalSteps),
  },
  te: {
    of: "Temporal Ensembling",
    reads: ["rampDownSteps", "epochSteps"],
    warmupShare: 4 / 15,
    rate: temporalEnsemblingRate,
    down:
      ({ rampDownSteps, totalSteps, epochSteps }) =>
      (step) =>
        teDown(Math.floor(step / epochSteps), rampDownSteps / epochSteps, totalSteps / epochSteps),
  },
  "linear-cosine": {
    of: "Mean Teacher's residual networks",
    reads: ["initialLr", "cosineSteps"],
    rate: linearCosineRate,
  },
  kek: { of: "Meta Pseudo Labels, kekmodel's", reads: ["waitSteps"], warmupShare: 1 / 60, rate: kekRate },
  gmpl: { of: "Meta Pseudo Labels, Google's", reads: ["waitSteps"], warmupShare: 1 / 60, rate: gmplRate },
  "cosine-7-16": { of: "UDA, FixMatch", rate: cosine7_16Rate },
  step: { of: "UDA and FixMatch on ImageNet", reads: ["dropSteps", "dropFactor"], rate: stairsRate },
  constant: { rate: constantRate },
} as const satisfies Readonly<Record<string, ScheduleRow>>;

export type ScheduleName = keyof typeof learningRateSchedules;

export const LEARNING_RATE_SCHEDULES = Object.keys(learningRateSchedules) as readonly ScheduleName[];

function described(name: ScheduleName): string {
  const { of }: ScheduleRow = learningRateSchedules[name];
  return of === undefined ? name : `${name} (${of})`;
}

/** For what the length of the warm-up matters to. */
export const warmingUp = needFact(
  "optimizer.warmup",
  "a warm-up: --optimizer.warmupSteps above 0, or another schedule",
  {
    "optimizer.warmupSteps": 2,
  },
);

/** The schedules that read an option. */
function schedules(option: NonNullable<ScheduleRow["reads"]>[number]): Need {
  const rows: readonly (readonly [string, ScheduleRow])[] = Object.entries(learningRateSchedules);
  return need(
    "optimizer.schedule",
    ...rows.flatMap(([name, { reads = [] }]) => (reads.includes(option) ? [name] : [])),
  );
}

/** Every optimizer has these (`defineOptimizer` adds them): the learning rate over time. */
export const scheduleOptions = {
  lr: number(0.003, { min: 0, doc: "largest learning rate; 0.003 suits adam, sgd usually wants 0.03 to 0.1" }),
  schedule: choice(LEARNING_RATE_SCHEDULES, "sigmoid", {
    doc: `learning rate over time: ${LEARNING_RATE_SCHEDULES.map(described).join(", ")}`,
  }),
  warmupSteps: integer(undefined, {
    min: 0,
    doc: "steps of learning-rate warm-up; if not given, 4/15 of the steps for sigmoid and te (40,000 of 150,000; 80 of 300 epochs), 1/60 for kek and gmpl (5,000 of 300,000), 0 for the others",
  }),
  rampDownSteps: integer(undefined, {
    needs: [schedules("rampDownSteps")],
    min: 0,
    doc: "last steps in which sigmoid and te bring the learning rate down; if not given, 1/6 of the steps (25,000 of 150,000)",
  }),
  initialLr: number(0, {
    min: 0,
    needs: [schedules("initialLr"), warmingUp],
    doc: "learning rate at step 0 of linear-cosine with a warm-up",
  }),
  cosineSteps: integer(undefined, {
    needs: [schedules("cosineSteps")],
    min: 1,
    doc: "step at which linear-cosine would reach 0, not before the last; if not given, 7/6 of the steps (350 of 300 epochs)",
  }),
  waitSteps: integer(0, {
    min: 0,
    needs: [
      schedules("waitSteps"),
      needThat("method.studentWaitSteps", "not given, as its value counts", (given) => given === undefined, {}),
    ],
    doc: "steps at learning rate 0 before the warm-up of kek and gmpl",
  }),
  dropSteps: text("", {
    needs: [schedules("dropSteps")],
    doc: "steps at which schedule step lowers the rate, separated by commas; if not given, at 1/3, 2/3 and 8/9 of the steps (30, 60 and 80 of 90 epochs)",
  }),
  dropFactor: number(0.1, {
    min: 0,
    max: 1,
    needs: [schedules("dropFactor")],
    doc: "factor on the learning rate at each of them",
  }),
  epochSteps: integer(undefined, {
    needs: [schedules("epochSteps")],
    min: 1,
    doc: "steps of one epoch, for te, which changes once an epoch; if not given, 1/300 of the steps",
  }),
} as const;

export type ScheduleOptions = OptionsOf<typeof scheduleOptions>;

/** A run's schedule: its learning rate, and what may follow the same phases. Steps count from the schedule's start. */
export interface PlannedSchedule {
  readonly learningRate: Schedule;
  /** 1 until the ramp-down, then the factor that it multiplies in. */
  readonly down: Schedule;
  readonly warmupSteps: number;
  /** Where the warm-up ends: after the steps of waiting before it, if there are. */
  readonly warmupEnd: number;
}

/** What the options leave open follows from `totalSteps`. Throws UsageError where lengths do not fit into it. */
export function planSchedule(options: ScheduleOptions, totalSteps: number): PlannedSchedule {
  const row: ScheduleRow = learningRateSchedules[options.schedule];
  const { waitSteps } = options;
  if (waitSteps > 0 && waitSteps >= totalSteps && row.reads?.includes("waitSteps")) {
    const expected = `less than the ${totalSteps} steps of the schedule`;
    throw new UsageError(
      badValue("optimizer", "waitSteps", expected, waitSteps, "It would never learn: raise --steps"),
    );
  }
  const times: Times = {
    base: options.lr,
    initial: options.initialLr,
    totalSteps,
    warmupSteps: options.warmupSteps ?? Math.round(totalSteps * (row.warmupShare ?? 0)),
    rampDownSteps: options.rampDownSteps ?? Math.round(totalSteps / 6),
    cosineSteps: options.cosineSteps ?? Math.ceil((totalSteps * 7) / 6),
    waitSteps,
    epochSteps: options.epochSteps ?? Math.max(1, Math.round(totalSteps / 300)),
    drops: dropsOf(options.dropSteps, totalSteps),
    dropFactor: options.dropFactor,
  };
  const { warmupSteps } = times;
  const waits = row.reads?.includes("waitSteps") && warmupSteps > 0;
  return {
    learningRate: row.rate(times),
    down: row.down?.(times) ?? (() => 1),
    warmupSteps,
    warmupEnd: waits ? waitSteps + warmupSteps : warmupSteps,
  };
}

/** "1000,2000" as numbers. Throws UsageError. */
function dropsOf(given: string, totalSteps: number): readonly number[] {
  if (given.trim() === "") return [1 / 3, 2 / 3, 8 / 9].map((share) => Math.round(share * totalSteps));
  return given.split(",").map((word) => {
    const step = word.trim() === "" ? Number.NaN : Number(word);
    if (Number.isSafeInteger(step) && step >= 0) return step;
    throw new UsageError(badValue("optimizer", "dropSteps", "whole numbers separated by commas", given));
  });
}
