/** Who is asked about which pictures: no two pages about the same one at a time, and now and then one of the test set. */

/** Milliseconds until a picture that was handed out and not answered may go to another page. */
const LEASE = 120_000;

export interface QueueState {
  /** Rows that help most, the best first. */
  readonly suggested: readonly number[];
  /** Rows for when those are used up, in an order drawn at random. */
  readonly others: readonly number[];
  /** Rows of the test set, in their order. */
  readonly tests: readonly number[];
  /** Share of the test set among all answers. */
  readonly share: number;
  /** Answers so far, and those of them about the test set. */
  readonly answered: number;
  readonly tested: number;
  /** Whether a row still wants an answer. */
  isOpen(row: number): boolean;
}

export interface Queue {
  /** Up to `count` rows for the page `tab`, those first that it has already. */
  next(tab: string, count: number, state: QueueState): number[];
}

export function createQueue(now: () => number = Date.now): Queue {
  const leases = new Map<number, { tab: string; until: number }>();
  return {
    next(tab, count, { suggested, others, tests, share, answered, tested, isOpen }) {
      const at = now();
      for (const [row, { until }] of leases) if (until <= at || !isOpen(row)) leases.delete(row);
      const testRows = new Set(tests);
      const out = [...leases].flatMap(([row, lease]) => (lease.tab === tab ? [row] : [])).slice(0, count);
      const free = (row: number) => isOpen(row) && !leases.has(row);
      const sources = [tests, suggested, others].map((rows) => rows[Symbol.iterator]());
      const take = (source: number): number | undefined => {
        for (let item = sources[source]!.next(); !item.done; item = sources[source]!.next()) {
          if (free(item.value) && (source === 0 || !testRows.has(item.value))) return item.value;
        }
        return undefined;
      };
      let asked = answered + leases.size;
      let asTest = tested + [...leases.keys()].filter((row) => testRows.has(row)).length;
      // After many labels at once the test set catches up, but every second picture at the most is for it.
      let lastWasTest = out.length > 0 && testRows.has(out.at(-1)!);
      while (out.length < count) {
        const due = !lastWasTest && asTest + 1 <= share * (asked + 1);
        const test = due ? take(0) : undefined;
        const row = test ?? take(1) ?? take(2) ?? take(0);
        if (row === undefined) break;
        leases.set(row, { tab, until: at + LEASE });
        out.push(row);
        asked++;
        lastWasTest = testRows.has(row);
        if (lastWasTest) asTest++;
      }
      for (const row of out) leases.set(row, { tab, until: at + LEASE });
      return out;
    },
  };
}
