/**
 * Predictions of every training image, averaged over epochs and kept by index (Laine & Aila, arXiv:1610.02242,
 * Algorithm 2). With c_i the epochs in which image i was predicted, p_i its last prediction in the epoch that ends:
 *
 *   seen_i:      Z_i <- alpha Z_i + (1 - alpha) p_i;  c_i <- c_i + 1        (else both stay)
 *   target_i  =  Z_i / sum_k Z_ik  (rowSum)   or   Z_i / (1 - alpha^c_i)  (biasCorrection)
 *
 * Both targets are the same number, as every p_i sums to 1, up to rounding. In the published code Z_i shrinks in an epoch
 * that passes image i over (the dropped tail), and an image never predicted has target 0; here neither happens.
 */
import { DataError } from "../errors.js";
import type { State, Stateful } from "../stateful.js";
import { arange, noGrad, scope, type Tensor, where, zeros } from "../torch/index.js";

export const BANK_NORMALIZATIONS = ["rowSum", "biasCorrection"] as const;
export const BANK_PRECISIONS = ["float32", "float16"] as const;

export interface EnsembleBankOptions {
  /** N, the range of the index. */
  readonly numExamples: number;
  readonly numClasses: number;
  /** alpha in [0, 1): share of the earlier epochs. */
  readonly decay: number;
  readonly normalization?: (typeof BANK_NORMALIZATIONS)[number];
  /** How Z and the predictions of the epoch are stored; arithmetic is float32. */
  readonly precision?: (typeof BANK_PRECISIONS)[number];
  readonly device?: string;
  /** Which images the index means. */
  readonly dataFingerprint: string;
}

/** Rows folded at a time, so that an epoch's end needs little memory beside the bank. */
const CHUNK = 65_536;

/**
 * Memory: 2 N K numbers (Z and this epoch's predictions; targets are made when asked for) and 5 N bytes. In float32 that
 * is 4 MB for CIFAR-10 and 10.2 GB for ImageNet, in float16 half.
 */
export class EnsembleBank implements Stateful {
  readonly #options: EnsembleBankOptions;
  /** Z, `[N, K]`. */
  readonly #ensemble: Tensor;
  /** c, `[N]` int32. */
  readonly #counts: Tensor;
  /** `[N, K]`; only rows in `seen` mean anything. */
  readonly #predictions: Tensor;
  /** `[N]` bool: predicted in this epoch. */
  readonly #seen: Tensor;
  #epoch = 0;

  constructor(options: EnsembleBankOptions) {
    const { numExamples, numClasses, precision = "float32", device = "cpu" } = options;
    this.#options = options;
    this.#ensemble = zeros([numExamples, numClasses], { dtype: precision, device }).keep();
    this.#predictions = zeros([numExamples, numClasses], { dtype: precision, device }).keep();
    this.#counts = zeros([numExamples], { dtype: "int32", device }).keep();
    this.#seen = zeros([numExamples], { dtype: "bool", device }).keep();
  }

  /** Says which epoch (whole number from 0) the next batch belongs to: when that grows, the one before has ended. */
  enterEpoch(epoch: number): void {
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    noGrad(() => {
      for (let start = 0; start < this.#options.numExamples; start += CHUNK) scope(() => this.#fold(start));
      scope(() => {
        this.#counts.add_(this.#seen.to("int32"));
        this.#seen.zero_();
      });
    });
  }

  #fold(start: number): void {
    const rows = (t: Tensor) => t.narrow(0, start, Math.min(CHUNK, this.#options.numExamples - start));
    const { decay } = this.#options;
    const z = rows(this.#ensemble);
    const next = z
      .float()
      .mul(decay)
      .add(rows(this.#predictions).float(), 1 - decay);
    z.copy_(where(rows(this.#seen).unsqueeze(1), next, z.float()));
  }

  /**
   * Targets for the images `index` `[B]` int64: `probs` `[B, K]` float32, rows summing to 1, and `known` `[B]` float32, 1
   * where there is one and 0 for images that no earlier epoch predicted (whose `probs` mean nothing). No gradient.
   */
  target(index: Tensor): { readonly probs: Tensor; readonly known: Tensor } {
    const z = this.#ensemble.indexSelect(0, index).float();
    const counts = this.#counts.indexSelect(0, index);
    const known = counts.gt(0).float();
    if (this.#options.normalization !== "biasCorrection") return { probs: z.div(z.sum([1], true).add(1e-8)), known };
    const rest = counts.clampMin(1).float().mul(Math.log(this.#options.decay)).exp(); // alpha^c
    return { probs: z.div(rest.neg().add(1).unsqueeze(1)), known };
  }

  /** Stores predictions `probs` `[B, K]` of `index` `[B]` int64; of several for one image, the last one counts. */
  record(index: Tensor, probs: Tensor): void {
    noGrad(() =>
      scope(() => {
        const n = index.size(0);
        if (n === 0) return;
        // Rows of one image all get its last prediction, so that the order in which a device writes them does not matter.
        const order = arange(n, { device: index.device }).add(1);
        const last = index.unsqueeze(1).eq(index.unsqueeze(0)).to("int64").mul(order).argmax(1);
        this.#predictions.indexCopy_(0, index, probs.detach().indexSelect(0, last).to(this.#predictions.dtype));
        this.#seen.indexCopy_(0, index, order.gt(0));
      }),
    );
  }

  stateDict(): State {
    return {
      tensors: this.#tensors(),
      values: { epoch: this.#epoch, dataFingerprint: this.#options.dataFingerprint },
    };
  }

  /** Throws DataError where the state is of other data, another size or another precision. */
  loadStateDict({ tensors, values }: State): void {
    const { dataFingerprint } = this.#options;
    if (values.dataFingerprint !== dataFingerprint) {
      throw new DataError(
        "ensemble bank: the saved predictions are of other images, and are stored by position: expected data with " +
          `fingerprint ${dataFingerprint}, found ${values.dataFingerprint}. Resume with the data the run was started with`,
      );
    }
    const own = Object.entries(this.#tensors());
    for (const [name, t] of own) {
      const [expected, found] = [t, tensors[name]].map((x) => (x ? `[${x.shape.join(", ")}] ${x.dtype}` : "nothing"));
      if (expected !== found) throw new DataError(`ensemble bank: expected "${name}" ${expected}, found ${found}`);
    }
    if (typeof values.epoch !== "number") throw new DataError(`ensemble bank: expected an epoch, got ${values.epoch}`);
    noGrad(() =>
      scope(() => {
        for (const [name, t] of own) t.copy_(tensors[name]!);
      }),
    );
    this.#epoch = values.epoch;
  }

  #tensors(): Record<string, Tensor> {
    const [ensemble, counts, predictions, seen] = [this.#ensemble, this.#counts, this.#predictions, this.#seen];
    return { ensemble, counts, predictions, seen };
  }
}
