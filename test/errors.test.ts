import { describe, expect, it } from "vitest";
import {
  badValue,
  DataError,
  DownloadError,
  EngineError,
  FewlabelsError,
  nearest,
  TrainingError,
  UsageError,
  unknownName,
} from "../src/errors.js";

describe("error classes", () => {
  it("have a stable code and the exit code of the command line", () => {
    const found = [FewlabelsError, UsageError, DataError, DownloadError, EngineError, TrainingError].map((Class) => {
      const error = new Class("message");
      expect(error).toBeInstanceOf(FewlabelsError);
      return [error.name, error.code, error.exitCode];
    });
    expect(found).toEqual([
      ["FewlabelsError", "FAILED", 1],
      ["UsageError", "USAGE", 2],
      ["DataError", "DATA", 3],
      ["DownloadError", "DOWNLOAD", 1],
      ["EngineError", "ENGINE", 1],
      ["TrainingError", "TRAINING", 1],
    ]);
  });
});

describe("wordings", () => {
  it("say who, what was expected of which argument, what came, and what to do", () => {
    expect(badValue("cnn-13", "width", "a number of at least 0.02", -1, "Use 1")).toBe(
      "cnn-13: expected a number of at least 0.02 for width, got -1. Use 1",
    );
    expect(badValue("x", "list", "one entry", ["a", "b"])).toBe("x: expected one entry for list, got [a, b]");
  });

  it("name the nearest valid word, or list all of them", () => {
    const valid = ["supervised", "pi-model", "mean-teacher"];
    expect(unknownName("x", "method", "mean-techer", valid)).toMatch(/Did you mean "mean-teacher"\?$/);
    expect(unknownName("x", "method", "quantum", valid)).toMatch(/Valid: supervised, pi-model, mean-teacher$/);
  });
});

describe("nearest", () => {
  it("finds slips of the hand and nothing else", () => {
    expect(nearest("widht", ["width", "dropout"])).toBe("width");
    expect(nearest("Width", ["width"])).toBe("width");
    expect(nearest("stepss", ["steps", "step"])).toBe("steps");
    expect(nearest("banana", ["width", "dropout"])).toBeUndefined();
  });
});
