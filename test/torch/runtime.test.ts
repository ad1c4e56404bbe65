// The engine's process-wide settings and facts.
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { expect, test } from "vitest";
import { engineInfo, ones, releaseMemory, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { processorFlags as flags, processor } from "../support/processor.js";

// libtorch's kernels for wide vectors are chosen by a variable it obeys blindly: a wrong choice ends in SIGILL.
describeEngine("the kernels in use", () => {
  test.runIf(process.platform === "linux" && process.arch === "x64")(
    "are those the processor has instructions for",
    () => {
      const wide = ["avx512f", "avx512bw", "avx512vl", "avx512dq"].every((flag) => flags.has(flag));
      if (process.env.ATEN_CPU_CAPABILITY === undefined || !wide) {
        expect(engineInfo().capability).toBe(wide ? "AVX512" : flags.has("avx2") ? "AVX2" : "DEFAULT");
      }
      if (process.env.FEWLABELS_WINOGRAD === undefined) {
        const { vendor, family } = processor;
        const measured = vendor === "GenuineIntel" || (vendor === "AuthenticAMD" && family === 25);
        expect(engineInfo().winograd).toBe(
          flags.has("avx2") && flags.has("fma") && (!flags.has("avx512f") || measured),
        );
      }
      if (process.env.FEWLABELS_AMX === undefined) {
        const amx = flags.has("amx_bf16") && flags.has("avx512_bf16");
        expect(engineInfo()).toMatchObject({ amx, dots: wide && !amx && flags.has("avx512_bf16") });
      }
    },
  );
});

describeEngine("memory that is kept for the next step", () => {
  test.runIf(process.platform === "linux")(
    "goes back to the system when asked for, also from between what is still in use",
    () => {
      const mib = () => process.memoryUsage.rss() / 2 ** 20;
      const first = mib();
      scope(() => {
        const inUse = scope(() =>
          Array.from({ length: 100 }, () => {
            void ones([2 ** 18]); // 1 MiB
            return ones([16]);
          }),
        );
        const before = mib();
        expect(before - first).toBeGreaterThan(60);
        releaseMemory();
        expect(before - mib()).toBeGreaterThan(60);
        expect(inUse.every((tensor) => tensor.sum().item() === 16)).toBe(true);
      });
    },
  );
});

describeEngine("a crash", () => {
  test.runIf(process.platform === "linux")("ends the process, whatever libraries the engine brings", () => {
    const engine = new URL("../../dist/torch/index.js", import.meta.url).href;
    const code = `const { ones, scope } = await import(${JSON.stringify(engine)}); scope(() => ones([2]).add(1)); process.kill(process.pid, "SIGSEGV");`;
    const ended = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      encoding: "utf8",
      timeout: 25_000,
    });
    expect(ended).toMatchObject({ signal: "SIGSEGV", stdout: "", stderr: "" });
  });
});

// UCX, which Debian 13's libtorch brings, overwrote sbrk and others with jumps into itself, and its trial of them shrank a heap
// that could not grow: about one process in a hundred crashed.
describeEngine("the C library", () => {
  test.runIf(process.platform === "linux")("has in memory the instructions of its file", () => {
    scope(() => ones([2]).add(1));
    const parts = readFileSync("/proc/self/maps", "utf8").matchAll(/^(\w+)-(\w+) r-xp (\w+) .*?(\/.*\/libc[.-].*)$/gm);
    const changed = [...parts].map(([, ...fields]) => {
      const [start, end, offset] = fields.slice(0, 3).map((hex) => Number.parseInt(hex, 16)) as [
        number,
        number,
        number,
      ];
      const bytes = (path: string, at: number) => {
        const file = openSync(path, "r");
        const read = Buffer.alloc(end - start);
        expect(readSync(file, read, 0, read.length, at)).toBe(read.length);
        closeSync(file);
        return read;
      };
      return !bytes("/proc/self/mem", start).equals(bytes(fields[3]!, offset));
    });
    expect(changed.length).toBeGreaterThan(0);
    expect(changed).not.toContain(true);
  });
});
