import { describe, expect, it } from "vitest";
import { digits, duration, table } from "../../src/cli/format.js";
import { Progress } from "../../src/cli/progress.js";
import type { StepEvent } from "../../src/run/events.js";

const step = (at: number): StepEvent => ({
  type: "step",
  step: at,
  totalSteps: 2500,
  epoch: 1,
  metrics: { classification: 0.7123, consistency: 0.0000123 },
  learningRate: 0.003,
  imagesPerSecond: 1234,
  stepSeconds: 0.08,
  etaSeconds: 95,
});

class Screen {
  text = "";
  isTTY: boolean;
  columns = 200;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string) {
    this.text += text;
  }
}

describe("Progress", () => {
  it("on a terminal draws one bar in place with step, ETA, speed and losses", () => {
    const screen = new Screen(true);
    const progress = new Progress({ stream: screen, env: {} });
    progress.event(step(1250));
    expect(screen.text).toContain(
      "50 % [##########----------] 1,250/2,500  ETA 1:35  1,234 img/s  classification 0.712  consistency 1.2e-5",
    );
    expect(screen.text).not.toContain("\n");
    progress.event({
      type: "evaluation",
      step: 1250,
      test: { student: { error: 45.2, loss: 1, n: 5 }, teacher: { error: 41, loss: 1, n: 5 } },
    });
    progress.event(step(1251));
    expect(screen.text.split("\r").at(-1)).toContain("student 45.20 %  teacher 41.00 %");
    expect(screen.text.split("\n")).toHaveLength(2);
  });

  it("never draws past the edge of the terminal", () => {
    const screen = new Screen(true);
    screen.columns = 40;
    new Progress({ stream: screen, env: {} }).event(step(10));
    expect(screen.text.replace("\r\x1b[2K", "").length).toBeLessThan(40);
  });

  it("says nothing of a learning rate where the method has none", () => {
    const screen = new Screen(false);
    new Progress({ stream: screen, env: {} }).event({ ...step(2500), learningRate: Number.NaN });
    expect(screen.text).toContain("consistency 1.2e-5\n");
  });

  it("elsewhere writes a plain line every few seconds and at the end", () => {
    const screen = new Screen(false);
    let now = 0;
    const progress = new Progress({ stream: screen, now: () => now, interval: 5, env: {} });
    for (const at of [10, 20, 30]) {
      progress.event(step(at));
      now += 3;
    }
    progress.event(step(2500));
    const lines = screen.text.trimEnd().split("\n");
    expect(lines.map((line) => line.split("  ")[0])).toEqual(["step 10/2,500", "step 30/2,500", "step 2,500/2,500"]);
    expect(screen.text).not.toContain("\x1b");
  });

  it("uses colors only on a terminal without NO_COLOR", () => {
    const warn = (tty: boolean, env: NodeJS.ProcessEnv) => {
      const screen = new Screen(tty);
      new Progress({ stream: screen, env }).event({ type: "warning", message: "slow" });
      return screen.text;
    };
    expect(warn(true, {})).toContain("\x1b[33m");
    expect(warn(true, { NO_COLOR: "1" })).toBe("warning: slow\n");
    expect(warn(false, {})).toBe("warning: slow\n");
  });
});

describe("format", () => {
  it("never rounds a small number to 0", () => {
    expect([0.000001234, 0.0123456, 0.712, 12.345, 123.456, 1234.5, 12345678, 0].map(digits)).toEqual([
      "1.2e-6",
      "0.0123",
      "0.712",
      "12.3",
      "123.5",
      "1235",
      "1.2e+7",
      "0",
    ]);
  });

  it("writes times as people do", () => {
    expect([0.44, 59.6, 61, 3723, Number.NaN].map(duration)).toEqual(["0.4 s", "1:00", "1:01", "1:02:03", "?"]);
  });

  it("lines tables up", () => {
    expect(
      table([
        ["", "error"],
        ["student", "9.00 %"],
      ]),
    ).toEqual(["          error", "student  9.00 %"]);
  });
});
