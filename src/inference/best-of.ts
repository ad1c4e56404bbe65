/** The most confident ones of a stream, in bounded memory. */

/** Keeps the `limit` best of what is added; all of it without a limit. Of equals the earlier stays. */
export class BestOf {
  readonly #limit: number;
  /** A heap whose root is the one to go next. */
  readonly #index: number[] = [];
  readonly #confidence: number[] = [];

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#index.length;
  }

  add(index: number, confidence: number): void {
    if (this.size < this.#limit) {
      this.#index.push(index);
      this.#confidence.push(confidence);
      if (Number.isFinite(this.#limit)) this.#rise(this.size - 1);
    } else if (this.#limit > 0 && confidence > this.#confidence[0]!) {
      [this.#index[0], this.#confidence[0]] = [index, confidence];
      this.#sink();
    }
  }

  /** What is kept, the best first. */
  ranked(): { readonly index: Float64Array; readonly confidence: Float32Array } {
    const order = Uint32Array.from(this.#index, (_, at) => at).sort((a, b) => (this.#worse(b, a) ? -1 : 1));
    return {
      index: Float64Array.from(order, (at) => this.#index[at]!),
      confidence: Float32Array.from(order, (at) => this.#confidence[at]!),
    };
  }

  #worse(a: number, b: number): boolean {
    const [x, y] = [this.#confidence[a]!, this.#confidence[b]!];
    return x < y || (x === y && this.#index[a]! > this.#index[b]!);
  }

  #rise(at: number): void {
    for (let child = at; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (!this.#worse(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  #sink(): void {
    for (let parent = 0; ; ) {
      let worst = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < this.size && this.#worse(child, worst)) worst = child;
      }
      if (worst === parent) return;
      this.#swap(parent, worst);
      parent = worst;
    }
  }

  #swap(a: number, b: number): void {
    const [index, confidence] = [this.#index, this.#confidence];
    [index[a], index[b]] = [index[b]!, index[a]!];
    [confidence[a], confidence[b]] = [confidence[b]!, confidence[a]!];
  }
}
