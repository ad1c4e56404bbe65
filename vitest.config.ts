import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // One process a test file: the addon, the allocator settings and the thread count are per process.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two workers on two cores: one OpenMP thread each, or they fight for the cores (docs/setup.md, "Threads").
    env: { OMP_NUM_THREADS: "1", OMP_WAIT_POLICY: "passive" },
    reporters: ["default", "./scripts/test-summary.mjs"],
  },
});
