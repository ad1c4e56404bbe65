/** What any of several processes has to say: each decodes its own rows, so each knows of other damage. */
import { scope, tensor, world } from "../torch/index.js";

/**
 * A function that all processes call at the same times, with what each has to say since; all get what is new to them, each remark
 * once. Those that process 0 has not made say whose they are.
 */
export function collectRemarks(): (own: readonly string[]) => readonly string[] {
  const told = new Set<string>();
  return (own) => {
    if (world().size === 1) return own;
    return eachOf(own).flatMap((remarks, rank) =>
      remarks
        .filter((remark) => !told.has(remark))
        .map((remark) => {
          told.add(remark);
          return rank === 0 ? remark : `process ${rank}: ${remark}`;
        }),
    );
  };
}

/** What each process says, by rank: all get it. */
export function eachOf(own: readonly string[]): readonly (readonly string[])[] {
  const { rank, size } = world();
  const mine = own.length > 0 ? Buffer.from(JSON.stringify(own)) : Buffer.alloc(0);
  const lengths = summed(Float64Array.from({ length: size }, (_, r) => (r === rank ? mine.length : 0)));
  const from = (r: number) => lengths.slice(0, r).reduce((sum, length) => sum + length, 0);
  const places = new Float64Array(from(size)); // each process's bytes where the others have 0
  places.set(mine, from(rank));
  const text = Buffer.from(places.length > 0 ? summed(places) : []);
  return lengths.map((length, r) => (length > 0 ? JSON.parse(text.toString("utf8", from(r), from(r) + length)) : []));
}

function summed(numbers: Float64Array): number[] {
  return scope(() => {
    const t = tensor(numbers, [numbers.length]);
    world().sum([t]);
    return t.toNumbers();
  });
}
