// libtorch's kernels for wide vectors are chosen by a variable it obeys blindly: a wrong choice ends in SIGILL.
import { expect, test } from "vitest";
import { engineInfo } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { processorFlags as flags } from "../support/processor.js";

describeEngine("the kernels in use", () => {
  test.runIf(process.platform === "linux" && process.arch === "x64")(
    "are those the processor has instructions for",
    () => {
      const wide = ["avx512f", "avx512bw", "avx512vl", "avx512dq"].every((flag) => flags.has(flag));
      if (process.env.ATEN_CPU_CAPABILITY === undefined || !wide) {
        expect(engineInfo().capability).toBe(wide ? "AVX512" : flags.has("avx2") ? "AVX2" : "DEFAULT");
      }
      if (process.env.FEWLABELS_WINOGRAD === undefined) {
        expect(engineInfo().winograd).toBe(flags.has("avx2") && flags.has("fma") && !flags.has("avx512f"));
      }
    },
  );
});
