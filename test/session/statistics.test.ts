import { describe, expect, test } from "vitest";
import { batchNorm2d, sequential } from "../../src/nn/index.js";
import { slowStatistics } from "../../src/session/statistics.js";
import { scope } from "../../src/torch/index.js";

const network = (keep?: number) => sequential({ inner: sequential({ norm: batchNorm2d(2, { keep }) }) });

describe("running statistics of batch norm that a short run cannot fill", () => {
  test("are told with the share of their start, and the remedy", () => {
    scope(() => {
      const [remark] = slowStatistics(network(0.999), 400);
      expect(remark).toContain("keeps 0.999 of its running statistics a step: after 400 steps they still are by 67 %");
      expect(remark).toContain("--model.norm-keep 0.9");
    });
  });

  test("are no matter in long runs, nor with the usual figure", () => {
    scope(() => {
      expect(slowStatistics(network(0.999), 3000)).toEqual([]);
      expect(slowStatistics(network(0.99), 300)).toEqual([]);
      expect(slowStatistics(network(0.9), 5)).toEqual([]);
      expect(slowStatistics(network(), 5)).toEqual([]);
    });
  });
});
