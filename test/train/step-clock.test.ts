import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StepClock } from "../../src/train/step-clock.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

/** One log interval of two steps of `ms`, half of each spent on data. */
function interval(clock: StepClock, ms: number, kinds: readonly string[] = ["", ""]) {
  for (const kind of kinds) {
    clock.start(kind);
    vi.advanceTimersByTime(ms / 2);
    clock.mark("data");
    vi.advanceTimersByTime(ms / 2);
    clock.stop();
  }
  clock.waitFor(() => {});
  return clock.report(10, 100);
}

describe("StepClock", () => {
  it("reports the interval's median, rate, phases a step and the time to go", () => {
    const report = interval(new StepClock(), 40);
    expect(report.stepSeconds).toBeCloseTo(0.04);
    expect(report.imagesPerSecond).toBeCloseTo(250);
    expect(report.etaSeconds).toBeCloseTo(4);
    expect(report.phases.data).toBeCloseTo(0.02);
  });

  it("tells once by how much steps have slowed down, after three slow intervals in a row", () => {
    const clock = new StepClock();
    const told = [40, 40, 400, 40, 400, 400, 320, 320].map((ms) => {
      interval(clock, ms);
      return clock.slowdown();
    });
    expect(told.slice(0, 6)).toEqual(new Array(6).fill(undefined));
    expect(told[6]).toBeCloseTo(8); // the ratio measured, not the threshold
    expect(told[7]).toBeUndefined();
  });

  it("compares steps of one kind alone, and none of an interval with two kinds", () => {
    const clock = new StepClock();
    const told = (ms: number, ...kinds: string[]) => {
      interval(clock, ms, kinds);
      return clock.slowdown();
    };
    for (const ms of [40, 40, 400, 400]) expect(told(ms, "teach", "teach")).toBeUndefined();
    // The third slow interval in a row, but of other steps; its median is no measure of either.
    expect(told(10, "teach", "student")).toBeUndefined();
    for (const ms of [200, 200, 200, 200]) expect(told(ms, "student", "student")).toBeUndefined();
    for (const ms of [1000, 1000]) expect(told(ms, "student", "student")).toBeUndefined();
    expect(told(1000, "student", "student")).toBeCloseTo(5);
  });

  it("spreads the time of reading over the steps that left work to the device", () => {
    const clock = new StepClock();
    for (let step = 0; step < 4; step++) {
      clock.start();
      vi.advanceTimersByTime(1);
      clock.stop();
    }
    clock.waitFor(() => void vi.advanceTimersByTime(36));
    expect(clock.median()).toBeCloseTo(0.01);
    expect(clock.report(10, 100).stepSeconds).toBeCloseTo(0.01);
  });

  it("still knows the median after more steps than it keeps times of", () => {
    const clock = new StepClock();
    for (let step = 0; step < 250_000; step++) {
      clock.start();
      vi.advanceTimersByTime(step % 2 === 0 ? 1 : 3);
      clock.stop();
      if (step % 1000 === 999) clock.waitFor(() => {});
      if (step % 1000 === 999) clock.report(1, 1);
    }
    expect(clock.median()).toBeGreaterThanOrEqual(0.001);
    expect(clock.median()).toBeLessThanOrEqual(0.003);
  });

  it("counts what earlier parts of a resumed run took", () => {
    const clock = new StepClock(100);
    vi.advanceTimersByTime(2000);
    expect(clock.elapsed()).toBeCloseTo(102);
  });
});
