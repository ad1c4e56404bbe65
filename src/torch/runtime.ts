/** The engine's process-wide settings and facts. */
import { addon } from "./addon.js";

/** Sets the thread count of the calling JavaScript thread (a worker starts with its own). */
export function setThreads(count: number): void {
  addon().setThreads(count);
}
export function threads(): number {
  return addon().threads();
}
/** libtorch's version, number of CUDA devices, CPU capability in use ("AVX512", "AVX2", "DEFAULT"). */
export function engineInfo(): { libtorch: string; cuda: number; capability: string } {
  return addon().info();
}
