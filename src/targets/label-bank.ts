/** The latest pseudo-label of every image, by its index: FlexMatch's learning status. */
import { DataError } from "../errors.js";
import type { State, Stateful } from "../stateful.js";
import { countsOf, full, noGrad, scope, type Tensor, where } from "../torch/index.js";

export interface LabelBankOptions {
  /** Range of the index. */
  readonly numExamples: number;
  readonly device?: string;
}

export class LabelBank implements Stateful {
  /** `[numExamples]` int64: the label of each image, -1 before its first. */
  readonly labels: Tensor;
  /** `labels` and one slot more, which takes the rows that are not to be stored: so nothing waits for the device. */
  readonly #slots: Tensor;
  readonly #numExamples: number;

  constructor({ numExamples, device = "cpu" }: LabelBankOptions) {
    this.#numExamples = numExamples;
    this.#slots = full([numExamples + 1], -1, { dtype: "int64", device }).keep();
    this.labels = this.#slots.narrow(0, 0, numExamples).keep();
  }

  /** Stores `labels` `[N]` int64 under `index` `[N]` int64 where `chosen` `[N]` bool; the others keep what they had. */
  update(index: Tensor, labels: Tensor, chosen: Tensor): void {
    noGrad(() =>
      scope(() => {
        const elsewhere = full(index.shape, this.#numExamples, { dtype: "int64", device: index.device });
        this.#slots.indexCopy_(0, where(chosen, index, elsewhere), labels.detach());
      }),
    );
  }

  /** How many images have each label: `[numClasses]` float32. Images without one are not counted. */
  counts(numClasses: number): Tensor {
    return countsOf(this.labels.add(1), numClasses + 1).narrow(0, 1, numClasses);
  }

  stateDict(): State {
    return { tensors: { labels: this.labels }, values: {} };
  }

  loadStateDict({ tensors }: State): void {
    const { labels } = tensors;
    if (labels?.shape.join() !== this.labels.shape.join()) {
      throw new DataError(`label bank: expected "labels" [${this.labels.shape}], got [${labels?.shape ?? "nothing"}]`);
    }
    noGrad(() => scope(() => void this.labels.copy_(labels)));
  }
}
