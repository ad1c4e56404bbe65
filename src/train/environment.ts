/** Environment variables that libtorch and OpenMP read when they are loaded: the one place that sets them. */

/**
 * Sets what the user has not set. Must run in the main thread before the addon is loaded anywhere in the process.
 *
 * OMP_WAIT_POLICY stays as it is: `passive` made a step two to four times slower on two quiet cores, because a step is
 * hundreds of short parallel regions; on a busy machine the loop warns instead (docs/decisions/0005-waiting-threads.md).
 */
export function prepareEngineEnvironment(env: NodeJS.ProcessEnv = process.env): void {
  // Debian's libtorch picks AVX2 code where AVX-512 would do; it falls back by itself where there is none.
  env.ATEN_CPU_CAPABILITY ??= "avx512";
}
