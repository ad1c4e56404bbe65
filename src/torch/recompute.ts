/**
 * Trading time for memory: results whose graph is not kept but made again when the gradient arrives (Chen et al.,
 * arXiv:1604.06174). Knows tensors only; what is recomputed, and with which random draws, is the caller's business.
 */
import { gradEnabled, noGrad, withGrad } from "./grad.js";
import { onOutermostEnd, scope } from "./scope.js";
import { callTensor, onBackward, type Tensor } from "./tensor.js";

/** A result waiting for its gradient. All its tensors are kept until then. */
interface Pending {
  /** The results as leaves: backward leaves their gradients here. */
  readonly leaves: readonly Tensor[];
  /** The inputs' values. */
  readonly values: readonly Tensor[];
  /** The inputs with their own graph, where they have one. */
  readonly links: readonly (Tensor | undefined)[];
  readonly body: (inputs: readonly Tensor[]) => readonly Tensor[];
}

/** Per thread, in the order of the forward passes. */
let pending: Pending[] = [];

/**
 * `body(inputs)`, remembering only inputs and results. When a later `backward()` reaches a result, `body` runs again, with a
 * graph, and the gradient goes on into everything it uses. `body` must give the same values both times. Without grad
 * mode it is just `body(inputs)`.
 */
export function recompute(
  inputs: readonly Tensor[],
  body: (inputs: readonly Tensor[]) => readonly Tensor[],
): readonly Tensor[] {
  if (!gradEnabled()) return body(inputs);
  const leaves = scope(() => noGrad(() => body(inputs)).map((t) => t.detach().requiresGrad_().keep()));
  pending.push({
    leaves,
    values: inputs.map((t) => t.detach().keep()),
    links: inputs.map((t) => (t.requiresGrad ? alias(t).keep() : undefined)),
    body,
  });
  return leaves.map(alias);
}

/** The same tensor under a handle of its own, so that either may be released first. */
function alias(t: Tensor): Tensor {
  return callTensor("aten::alias", "", t);
}

/** Runs what waited for the gradients that a backward pass just left, the latest first, one after the other. */
function replay(): void {
  for (let entry = takeReached(); entry; entry = takeReached()) propagate(entry);
}

/** Takes the latest result out of the list that a gradient has reached. */
function takeReached(): Pending | undefined {
  const at = pending.findLastIndex(({ leaves }) => leaves.some(hasGrad));
  return at < 0 ? undefined : pending.splice(at, 1)[0];
}

/** In a scope of its own, or the handle would hold the gradient's memory for as long as the caller's lasts. */
const hasGrad = (leaf: Tensor): boolean => scope(() => leaf.grad !== undefined);

/** The second run's graph is gone before the gradients go on, and what they reach next waits for `replay`. */
function propagate(entry: Pending): void {
  const { leaves, values, links } = entry;
  try {
    scope(() => {
      const gradients = scope(() => apart(() => secondRun(entry)));
      for (const t of [...leaves, ...values]) t.release();
      apart(() => handOn(links, gradients));
    });
  } finally {
    drop(entry);
  }
}

/** Runs the body again and its graph backwards. Returns the gradients of the inputs. */
function secondRun({ leaves, values, links, body }: Pending): readonly (Tensor | undefined)[] {
  const inputs = values.map((t, i) => (links[i] ? t.detach().requiresGrad_() : t));
  handOn(
    withGrad(() => body(inputs)),
    leaves.map((leaf) => leaf.grad),
  );
  return inputs.map((t) => t.grad);
}

/** Runs `work`, whose backward passes replay only what was remembered during it (nested results), and forgets the rest of that. */
function apart<T>(work: () => T): T {
  const outer = pending;
  pending = [];
  try {
    return work();
  } finally {
    pending.forEach(drop);
    pending = outer;
  }
}

/** One backward pass from several tensors at once: an entry that waits for two of them must get both gradients. */
function handOn(tensors: readonly (Tensor | undefined)[], gradients: readonly (Tensor | undefined)[]): void {
  withGrad(() => {
    const products = () => {
      let total: Tensor | undefined;
      tensors.forEach((t, i) => {
        const gradient = gradients[i];
        if (!t || !gradient) return;
        const part = t.mul(gradient.detach()).sum().to("float64"); // its value is never used, its slope is the gradient
        total = total ? total.add(part) : part;
      });
      return total;
    };
    scope(products)?.backward();
  });
}

function drop({ leaves, values, links }: Pending): void {
  for (const t of [...leaves, ...values, ...links]) t?.release();
}

onBackward(replay);
onOutermostEnd(() => {
  const left = pending;
  pending = [];
  left.forEach(drop);
});
