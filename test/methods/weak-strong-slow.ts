/** UDA, FixMatch and their successors as plain loops over float64 numbers, written from the papers: the second route. */
import { type Rows, slowEntropy, slowKl, softmaxRow } from "../support/slow.js";

/** Logits of the labeled, weak and strong rows of one joint pass. */
export interface Logits {
  readonly l: Rows;
  readonly w: Rows;
  readonly s: Rows;
}

export interface StepContext {
  readonly y: readonly number[];
  /** Positions of the unlabeled rows in the training set. */
  readonly index: readonly number[];
  /** Share of the run that is over. */
  readonly progress: number;
}

export type Terms = Readonly<Record<string, number>> & { readonly loss: number };

/**
 * A method: looks at the logits of a step without gradient, moves its state on, and returns the loss as a function of
 * logits through which the gradient flows.
 */
export interface SlowMethod {
  begin(still: Logits, context: StepContext): (z: Logits) => Terms;
  /** What must agree with the method's own state, by owner. */
  state?(): Record<string, readonly number[]>;
}

// biome-ignore lint/suspicious/noExplicitAny: options of whichever method
type Options = any;

const sum = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);
const mean = (xs: readonly number[]) => (xs.length === 0 ? 0 : sum(xs) / xs.length);
const argmax = (xs: readonly number[]) => xs.indexOf(Math.max(...xs));
const norm = (xs: readonly number[]) => xs.map((x) => x / sum(xs));
const column = (rows: Rows, k: number) => rows.map((row) => row[k]!);
const classes = Array.from({ length: 4 }, (_, k) => k);
const meanRow = (rows: Rows) => classes.map((k) => mean(column(rows, k)));
const average = (old: readonly number[], now: readonly number[], m: number) =>
  old.map((x, k) => m * x + (1 - m) * now[k]!);

/** mean over labeled rows of -log p(y) */
const labeledLoss = (z: Rows, y: readonly number[]) => mean(z.map((row, i) => -Math.log(softmaxRow(row)[y[i]!]!)));
/** (1 / Bu) sum of weight_u times -log p_s(label_u), Bu counting every row */
const pseudoLoss = (z: Rows, labels: readonly number[], weights: readonly number[]) =>
  mean(z.map((row, i) => -weights[i]! * Math.log(softmaxRow(row)[labels[i]!]!)));

export function slowUda(o: Options): SlowMethod {
  const { threshold = 0.8, temperature = 0.4, consistencyWeight = 1, entropyWeight = 0, tsa = "none" } = o;
  return {
    begin(still, { y, progress: r }) {
      const mask: number[] = [];
      const targets: number[][] = [];
      for (const row of still.w) {
        const sharp = softmaxRow(row.map((x) => x / temperature));
        targets.push(sharp);
        mask.push(Math.max(...(o.maskOn === "sharpened" ? sharp : softmaxRow(row))) > threshold ? 1 : 0);
      }
      const released = tsa === "linear" ? r : tsa === "exp" ? Math.exp(5 * (r - 1)) : 1 - Math.exp(-5 * r);
      const eta = tsa === "none" ? Number.POSITIVE_INFINITY : released * (1 - 1 / 4) + 1 / 4;
      const keep = still.l.map((row, i) => (softmaxRow(row)[y[i]!]! <= eta ? 1 : 0));
      return (z) => {
        let classification = 0;
        z.l.forEach((row, i) => {
          classification -= (keep[i]! * Math.log(softmaxRow(row)[y[i]!]!)) / Math.max(1, sum(keep));
        });
        const consistency = mean(z.s.map((row, u) => mask[u]! * slowKl(targets[u]!, softmaxRow(row))));
        const entropy = mean(z.w.map((row) => slowEntropy(softmaxRow(row), softmaxRow(row))));
        return {
          classification,
          consistency,
          entropy,
          kept: mean(mask),
          loss: classification + consistencyWeight * consistency + entropyWeight * entropy,
        };
      };
    },
  };
}

export function slowFixmatch({ threshold = 0.95, consistencyWeight = 1 }: Options): SlowMethod {
  return {
    begin(still, { y }) {
      const q = still.w.map(softmaxRow);
      const mask = q.map((row) => (Math.max(...row) >= threshold ? 1 : 0));
      return (z) => {
        const classification = labeledLoss(z.l, y);
        const consistency = pseudoLoss(z.s, q.map(argmax), mask);
        return {
          classification,
          consistency,
          kept: mean(mask),
          loss: classification + consistencyWeight * consistency,
        };
      };
    },
  };
}

/** Algorithm 1 of the paper; `images` is the size of the unlabeled pool. */
export function slowFlexmatch(o: Options, images: number): SlowMethod {
  const { threshold = 0.95, consistencyWeight = 1, thresholdWarmUp = true } = o;
  const latest = new Map<number, number>(); // image -> label; an image that is not there has none
  return {
    state: () => ({ bank: Array.from({ length: images }, (_, i) => latest.get(i) ?? -1) }),
    begin(still, { y, index }) {
      const learned = classes.map((k) => [...latest.values()].filter((label) => label === k).length);
      const unused = images - latest.size;
      const flexible = learned.map((count) => {
        const most = Math.max(...learned);
        const beta = thresholdWarmUp && most < unused ? count / unused : most === 0 ? 0 : count / most;
        return (threshold * beta) / (2 - beta);
      });
      const q = still.w.map(softmaxRow);
      const mask = q.map((row) => (Math.max(...row) >= flexible[argmax(row)]! ? 1 : 0));
      q.forEach((row, u) => {
        if (Math.max(...row) >= threshold) latest.set(index[u]!, argmax(row));
      });
      return (z) => {
        const classification = labeledLoss(z.l, y);
        const consistency = pseudoLoss(z.s, q.map(argmax), mask);
        const loss = classification + consistencyWeight * consistency;
        return { classification, consistency, kept: mean(mask), threshold: mean(flexible), loss };
      };
    },
  };
}

export function slowFreematch(o: Options): SlowMethod {
  const { thresholdDecay: m = 0.999, consistencyWeight = 1, fairnessWeight = 0.001 } = o;
  const { minThreshold = 0, maxThreshold = 1 } = o;
  let tau = 1 / 4;
  let p = classes.map(() => 1 / 4);
  let h = classes.map(() => 1 / 4);
  const share = (labels: readonly number[]) => classes.map((k) => mean(labels.map((label) => (label === k ? 1 : 0))));
  return {
    state: () => ({ confidence: [tau], meanProbs: p, histogram: h }),
    begin(still, { y }) {
      const q = still.w.map(softmaxRow);
      if (q.length > 0) {
        tau = m * tau + (1 - m) * mean(q.map((row) => Math.max(...row)));
        p = average(p, meanRow(q), m);
        h = average(h, share(q.map(argmax)), m);
      }
      const clipped = Math.min(maxThreshold, Math.max(minThreshold, tau));
      const thresholds = p.map((x) => (clipped * x) / Math.max(...p));
      const mask = q.map((row) => (Math.max(...row) >= thresholds[argmax(row)]! ? 1 : 0));
      return (z) => {
        const classification = labeledLoss(z.l, y);
        const consistency = pseudoLoss(z.s, q.map(argmax), mask);
        const kept = z.s.filter((_, u) => mask[u] === 1).map(softmaxRow);
        let fairness = 0;
        if (kept.length > 0) {
          const divide = (a: readonly number[], b: readonly number[]) => a.map((x, k) => (b[k] === 0 ? 0 : x / b[k]!));
          const [wanted, actual] = [norm(divide(p, h)), norm(divide(meanRow(kept), share(kept.map(argmax))))];
          for (const k of classes) fairness += wanted[k]! * Math.log(actual[k]! + 1e-12);
        }
        const loss = classification + consistencyWeight * consistency + fairnessWeight * fairness;
        return { classification, consistency, fairness, kept: mean(mask), threshold: mean(thresholds), loss };
      };
    },
  };
}

export function slowSoftmatch(o: Options): SlowMethod {
  const { sigmas = 2, averageDecay: m = 0.999, consistencyWeight = 1, alignDistribution = true } = o;
  let [mu, s2] = [1 / 4, 1];
  let seen: number[] | undefined;
  return {
    state: () => ({ mean: [mu], variance: [s2], ...(seen && { meanProbs: seen }) }),
    begin(still, { y }) {
      const q = still.w.map(softmaxRow);
      if (q.length > 0) seen = seen ? average(seen, meanRow(q), m) : meanRow(q);
      const aligned = q.map((row) => norm(row.map((x, k) => (x * (1 / 4 + 1e-6)) / (seen![k]! + 1e-6))));
      const largest = (alignDistribution ? aligned : q).map((row) => Math.max(...row));
      if (q.length > 1) {
        const center = mean(largest);
        mu = m * mu + (1 - m) * center;
        s2 = m * s2 + ((1 - m) * sum(largest.map((x) => (x - center) ** 2))) / (q.length - 1);
      }
      const weights = largest.map((x) => (x >= mu ? 1 : Math.exp(-((x - mu) ** 2) / ((2 * s2) / sigmas ** 2))));
      return (z) => {
        const classification = labeledLoss(z.l, y);
        const consistency = pseudoLoss(z.s, q.map(argmax), weights);
        const loss = classification + consistencyWeight * consistency;
        return { classification, consistency, kept: mean(weights), loss };
      };
    },
  };
}

export function slowAdamatch(o: Options): SlowMethod {
  const { threshold = 0.95, labels = "hard", alignmentDecay: m = 0.999, consistencyWeight = 1, warmUp = false } = o;
  let ofLabeled = classes.map(() => 1 / 4);
  let seen: number[] | undefined;
  return {
    state: () => ({ meanLabeled: ofLabeled, ...(seen && { meanUnlabeled: seen }) }),
    begin(still, { y, progress }) {
      const [pl, q] = [still.l.map(softmaxRow), still.w.map(softmaxRow)];
      if (pl.length > 0) ofLabeled = average(ofLabeled, meanRow(pl), m);
      if (q.length > 0) seen = seen ? average(seen, meanRow(q), m) : meanRow(q);
      const aligned = q.map((row) => norm(row.map((x, k) => (x * (ofLabeled[k]! + 1e-6)) / (seen![k]! + 1e-6))));
      const confidence = pl.length > 0 ? mean(pl.map((row) => Math.max(...row))) : 1;
      const mask = aligned.map((row) => (Math.max(...row) >= threshold * confidence ? 1 : 0));
      const weight = consistencyWeight * (warmUp ? 0.5 - Math.cos(Math.min(Math.PI, 2 * Math.PI * progress)) / 2 : 1);
      return (z) => {
        const classification = labeledLoss(z.l, y);
        const consistency =
          labels === "hard"
            ? pseudoLoss(z.s, aligned.map(argmax), mask)
            : mean(z.s.map((row, u) => mask[u]! * slowEntropy(aligned[u]!, softmaxRow(row))));
        const loss = classification + weight * consistency;
        return { classification, consistency, weight, kept: mean(mask), threshold: threshold * confidence, loss };
      };
    },
  };
}

/** DebiasPL around any of them: labels and masks of z - lambda log p, losses on z + lambda log p, p the running mean of predictions. */
export function debiased(inner: SlowMethod, o: Options = {}): SlowMethod {
  const { debias: lambda = 0, debiasDecay: m = 0.999, debiasMargin: mu = o.debias } = o;
  if (lambda === 0) return inner;
  let p = classes.map(() => 1 / 4);
  const moved = (rows: Rows, by: readonly number[]) => rows.map((row) => row.map((x, k) => x + by[k]!));
  return {
    state: () => ({ ...inner.state?.(), debiasMean: p }),
    begin(still, context) {
      const before = p.map((x) => -lambda * Math.log(x));
      if (still.w.length > 0) p = average(p, meanRow(still.w.map(softmaxRow)), m);
      const margin = p.map((x) => mu * Math.log(x));
      const loss = inner.begin({ ...still, w: moved(still.w, before) }, context);
      const most = Math.max(...p);
      return (z) => {
        // FreeMatch's fairness looks at the predictions as they are; its cases here weigh it 0.
        const { fairness: _, ...terms } = loss({ ...z, s: moved(z.s, margin) });
        return { ...terms, loss: terms.loss!, mostPredicted: most };
      };
    },
  };
}
