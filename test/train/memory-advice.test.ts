import { expect, test } from "vitest";
import { EngineError } from "../../src/errors.js";
import { withMemoryAdvice } from "../../src/train/memory-advice.js";

test("a step without memory is told what needs less; other errors stay as they are", () => {
  const where = "aten::convolution: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0)\nmore";
  const error = new EngineError(where);
  const advised = withMemoryAdvice(error) as EngineError;
  expect(advised).toBeInstanceOf(EngineError);
  expect(advised.message).toMatch(/^aten::convolution: CUDA out of memory.*--batch.*--accumulate.*--recompute/);
  expect(advised.cause).toBe(error);
  const others = [new EngineError("aten::mm: shapes"), new TypeError("out of memory"), undefined];
  for (const other of others) expect(withMemoryAdvice(other)).toBe(other);
});
