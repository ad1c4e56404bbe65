/** One turn of the event loop: lets finalizers and messages of this thread run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
