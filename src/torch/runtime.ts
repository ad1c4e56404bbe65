/** The engine's process-wide settings and facts. */
import { addon, type Engine } from "./addon.js";

/** Sets the thread count of the calling JavaScript thread (a worker starts with its own). */
export function setThreads(count: number): void {
  addon().setThreads(count);
}
export function threads(): number {
  return addon().threads();
}
export function engineInfo(): Engine {
  return addon().info();
}

/**
 * Gives memory that is kept for the next step, and not in use, back to the system: for a process that goes on after a training. Without
 * effect where the C library is not glibc.
 */
export function releaseMemory(): void {
  addon().releaseMemory();
}

/**
 * Makes GPU `index` the one of the calling thread. `tf32`: products of float32 matrices may be rounded to TF32. `deterministic`: the same
 * bits every time; else every shape's fastest algorithm is found by trying, and sums may be made in any order.
 */
export function useCuda(index: number, { tf32, deterministic }: { tf32: boolean; deterministic: boolean }): void {
  // cuBLAS reads it when it is opened, and is not deterministic without.
  if (deterministic) process.env.CUBLAS_WORKSPACE_CONFIG ??= ":4096:8";
  addon().setCuda(index, tf32, deterministic);
}

/**
 * The memory of the calling thread's GPU in bytes: free, all, and what libtorch holds for this process, in use or kept for later. All 0 where
 * the engine has no kernels for it.
 */
export function cudaMemory(): { readonly free: number; readonly total: number; readonly held: number } {
  return addon().cudaMemory();
}
