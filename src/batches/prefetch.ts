/** Keeps up to `ahead` items of an endless generator in hand, in order. */
export class Prefetch<T> {
  readonly #items: AsyncGenerator<T>;
  readonly #ahead: number;
  #ready: T[] = [];
  #first = 0;
  #pumping: Promise<void> | undefined;
  #failed: { readonly error: unknown } | undefined;
  #closed = false;

  constructor(items: AsyncGenerator<T>, ahead: number) {
    [this.#items, this.#ahead] = [items, ahead];
  }

  /** The next item, if it is in hand. */
  take(): T | undefined {
    const item = this.#ready[this.#first];
    if (item === undefined) return undefined;
    if (++this.#first >= this.#ahead) {
      this.#ready = this.#ready.slice(this.#first);
      this.#first = 0;
    }
    void this.#pump();
    return item;
  }

  async next(): Promise<T> {
    for (;;) {
      const item = this.take();
      if (item !== undefined) return item;
      if (this.#failed) throw this.#failed.error;
      await this.#pump();
    }
  }

  /** Returns what was in hand. */
  async close(): Promise<T[]> {
    this.#closed = true;
    await this.#pumping;
    await this.#items.return(undefined);
    return this.#ready.slice(this.#first);
  }

  #pump(): Promise<void> {
    this.#pumping ??= this.#fill().finally(() => {
      this.#pumping = undefined;
    });
    return this.#pumping;
  }

  /** Until enough are in hand. An error waits for those before it to be used up. */
  async #fill(): Promise<void> {
    try {
      while (!this.#closed && !this.#failed && this.#ready.length - this.#first < this.#ahead) {
        const { value } = await this.#items.next();
        this.#ready.push(value);
      }
    } catch (error) {
      this.#failed = { error };
    }
  }
}
