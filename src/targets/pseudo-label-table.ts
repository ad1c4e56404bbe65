/** Labels given once and looked up by index afterwards: the fixed teacher's word in self-training. */
import { DataError } from "../errors.js";
import type { State, Stateful } from "../stateful.js";
import { noGrad, scope, type Tensor, tensor, zeros } from "../torch/index.js";

export interface PseudoLabelTableOptions {
  /** Range of the index. */
  readonly numExamples: number;
  readonly numClasses: number;
  /** Probabilities (4 K bytes an image) instead of classes (8). */
  readonly soft: boolean;
  readonly device?: string;
  /** Which images the index means. */
  readonly dataFingerprint: string;
}

export class PseudoLabelTable implements Stateful {
  readonly #fingerprint: string;
  /** `[N]` int64 classes or `[N, K]` float32 probabilities. */
  readonly #targets: Tensor;
  /** `[N]` float32: 1 where the label is to be learned from. */
  readonly #kept: Tensor;

  constructor({ numExamples, numClasses, soft, device = "cpu", dataFingerprint }: PseudoLabelTableOptions) {
    this.#fingerprint = dataFingerprint;
    this.#targets = (
      soft ? zeros([numExamples, numClasses], { device }) : zeros([numExamples], { dtype: "int64", device })
    ).keep();
    this.#kept = zeros([numExamples], { device }).keep();
  }

  /** Stores the targets of `index` `[n]` int64, each once: `[n]` int64, or `[n, K]` where soft. */
  store(index: Tensor, targets: Tensor): void {
    noGrad(() => void this.#targets.indexCopy_(0, index, targets.detach()));
  }

  /** From now on only `rows` (positions) count. */
  keepOnly(rows: Int32Array): void {
    const kept = new Float32Array(this.#kept.size(0));
    for (const row of rows) kept[row] = 1;
    noGrad(() => scope(() => void this.#kept.copy_(tensor(kept, [kept.length]))));
  }

  /** For `index` `[B]` int64: targets as stored, and a row mask `[B]` float32. */
  of(index: Tensor): { readonly target: Tensor; readonly rowMask: Tensor } {
    return { target: this.#targets.indexSelect(0, index), rowMask: this.#kept.indexSelect(0, index) };
  }

  stateDict(): State {
    return {
      tensors: { targets: this.#targets, kept: this.#kept },
      values: { dataFingerprint: this.#fingerprint },
    };
  }

  /** Throws DataError where the state is of other data or of another form. */
  loadStateDict({ tensors: { targets, kept }, values }: State): void {
    if (values.dataFingerprint !== this.#fingerprint) {
      throw new DataError(
        "pseudo-label table: the saved labels are of other images, and are stored by position: expected data with " +
          `fingerprint ${this.#fingerprint}, found ${values.dataFingerprint}. Resume with the data the run was started with`,
      );
    }
    const form = (t: Tensor | undefined) => (t ? `[${t.shape.join(", ")}] ${t.dtype}` : "nothing");
    if (!targets || !kept || form(targets) !== form(this.#targets) || form(kept) !== form(this.#kept)) {
      throw new DataError(
        `pseudo-label table: expected targets ${form(this.#targets)} and kept ${form(this.#kept)}, ` +
          `found ${form(targets)} and ${form(kept)}`,
      );
    }
    noGrad(() =>
      scope(() => {
        this.#targets.copy_(targets);
        this.#kept.copy_(kept);
      }),
    );
  }
}

export interface Selection {
  /** Least confidence. */
  readonly threshold: number;
  /** At most so many of each class, the most confident ones; 0 = no limit. */
  readonly topPerClass: number;
}

/**
 * Positions (ascending) of the predictions to keep: `confidence` `[n]` at least the threshold, and among the
 * `topPerClass` most confident of their class `classes` `[n]`. Of equals, those that come first.
 */
export function selectConfident(
  confidence: Float32Array,
  classes: Int32Array,
  { threshold, topPerClass }: Selection,
): Int32Array {
  // Confidences are float32, so the threshold is compared as float32: 0.9 means the number they can hold.
  const least = Math.fround(threshold);
  const able = Int32Array.from(confidence.keys()).filter((i) => confidence[i]! >= least);
  if (topPerClass === 0) return able;
  const taken = new Map<number, number>();
  const best = able.sort((a, b) => confidence[b]! - confidence[a]! || a - b);
  return best
    .filter((i) => {
      const rank = taken.get(classes[i]!) ?? 0;
      taken.set(classes[i]!, rank + 1);
      return rank < topPerClass;
    })
    .sort();
}
