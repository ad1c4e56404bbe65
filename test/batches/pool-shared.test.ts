/** Of a streamed pool each process decodes the pictures of its own rows, and all see the batches of one. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { indexPool } from "../../src/data/shards/pool.js";
import type { PoolOptions, ShardPool } from "../../src/images/image-set.js";
import { describeWorld, inProcesses } from "../support/processes.js";
import { numbered, poolFolder, side, writeShard } from "../support/shards.js";

const [COUNT, CHUNK, BATCHES] = [300, 12, 60];
const options: PoolOptions = {
  decoding: { size: side, channels: 1, fit: "crop", maxMegapixels: 1 },
  ...{ onDamaged: "fail", maxDamaged: 0.2, shuffleBuffer: 70 },
};

let folder: ReturnType<typeof poolFolder>;
beforeAll(() => {
  folder = poolFolder([]);
});
afterAll(() => folder.remove());

/** Pictures in three shards, those that `isDamaged` empty. */
async function poolOf(name: string, isDamaged: (i: number) => boolean): Promise<ShardPool> {
  const paths = [0, 1, 2].map(async (k) => {
    const members = Array.from({ length: COUNT / 3 }, async (_, j) => {
      const i = (k * COUNT) / 3 + j;
      const raw = { width: side, height: side, channels: 1 } as const;
      const png = sharp(numbered(i).slice(-side * side), { raw }).png();
      return [`k${i}.png`, isDamaged(i) ? new Uint8Array(9) : await png.toBuffer()] as const;
    });
    return writeShard(join(folder.dir, `${name}-${k}.tar`), Object.fromEntries(await Promise.all(members)));
  });
  return indexPool(await Promise.all(paths), options);
}

interface Seen {
  /** Numbers of each batch, and what this process's rows show. */
  readonly batches: readonly (readonly number[])[];
  readonly shown: readonly (readonly number[])[];
  readonly states: readonly object[];
  readonly remarks: readonly string[];
  readonly damaged: number;
  readonly decoded: number;
}

/** `size` processes draw batches, from `state` on. */
function draw(size: number, pool: ShardPool, state?: object): Promise<Seen[]> {
  return inProcesses<Seen>(
    size,
    `import { PoolStream } from "dist/batches/pool-stream.js";
    import { Rng } from "dist/rng.js";
    import { closeWorld, launchedAs, openWorld } from "dist/torch/index.js";
    const world = openWorld({ seconds: 30, place: launchedAs() });
    const stream = new PoolStream(${JSON.stringify(pool)}, ${CHUNK}, Rng.fromSeed(1), world);
    const state = ${JSON.stringify(state ?? null)};
    if (state) stream.loadStateDict({ tensors: {}, values: state });
    const [batches, shown, states, remarks] = [[], [], [], []];
    for (let k = 0; k < ${BATCHES}; k++) {
      const rows = k % 3 === 1 ? 6 : ${CHUNK}; // phases have batches of other sizes
      states.push(structuredClone(stream.stateDict().values));
      const [pixels, index] = [new Uint8Array(rows * ${side * side}), new Int32Array(rows)];
      await stream.ready(rows);
      stream.take(pixels, index);
      batches.push([...index]);
      const own = [...index.keys()].filter((row) => row % world.size === world.rank);
      shown.push(own.map((row) => 256 * pixels[row * ${side * side}] + pixels[row * ${side * side} + 1]));
      remarks.push(...stream.remarks());
    }
    console.log(JSON.stringify({ batches, shown, states, remarks, damaged: stream.damaged, decoded: stream.decoded }));
    await stream.close();
    if (world.size > 1) { world.barrier(); closeWorld({ failed: true }); }`,
  );
}

const own = (batch: readonly number[], rank: number, size: number) => batch.filter((_, row) => row % size === rank);

describeWorld("processes that share out a streamed pool", () => {
  it.each([
    ["sound", () => false],
    ["with damaged pictures", (i: number) => i % 29 === 3],
  ] as const)("see the batches of one, and show their own rows: %s", { timeout: 120_000 }, async (name, isDamaged) => {
    const pool = await poolOf(name.slice(0, 5), isDamaged);
    const [one] = await draw(1, pool);
    expect(one!.shown).toEqual(one!.batches);
    const passes = one!.batches.flat().length / COUNT;
    expect(passes).toBeGreaterThan(1.9);
    for (const size of [2, 3]) {
      const all = await draw(size, pool);
      all.forEach(({ batches, shown, states, remarks, damaged, decoded }, rank) => {
        expect({ batches, states, remarks, damaged }).toEqual({
          batches: one!.batches,
          ...{ states: one!.states, remarks: one!.remarks, damaged: one!.damaged },
        });
        expect(shown).toEqual(one!.batches.map((batch) => own(batch, rank, size)));
        // Of the pictures around a damaged one all processes decode a batch's in the first pass, and here a third of the batches has one.
        expect(decoded / one!.decoded).toBeLessThan(name === "sound" ? 1.1 / size : 0.8);
      });
    }
  });

  it("end the run where one of them cannot read a shard that others can", { timeout: 60_000 }, async () => {
    const pool = { ...(await poolOf("torn", () => false)), onDamaged: "skip" } as const;
    const [first, ...rest] = pool.shards;
    const path = first!.path.replace(".tar", "-short.tar");
    writeFileSync(path, readFileSync(first!.path).subarray(0, 40_000));
    const torn = { ...pool, shards: [{ ...first!, path }, ...rest] };
    const said = (pools: readonly ShardPool[]) =>
      inProcesses<string>(
        pools.length,
        `import { PoolStream } from "dist/batches/pool-stream.js";
        import { Rng } from "dist/rng.js";
        import { closeWorld, launchedAs, openWorld } from "dist/torch/index.js";
        const world = openWorld({ seconds: 30, place: launchedAs() });
        const stream = new PoolStream(${JSON.stringify(pools)}[world.rank], ${CHUNK}, Rng.fromSeed(1), world);
        let said = "nothing";
        try {
          for (let k = 0; k < ${BATCHES}; k++) {
            await stream.ready(${CHUNK});
            stream.take(new Uint8Array(${CHUNK * side * side}), new Int32Array(${CHUNK}));
          }
        } catch (error) {
          said = error.name + ": " + error.message;
        }
        console.log(JSON.stringify(said));
        await stream.close();
        world.barrier();
        closeWorld({ failed: true });`,
      );
    const [whole, cut] = await said([pool, torn]);
    expect(whole).toMatch(/^DataError: shards: process 0 of 2 has read other pictures.*another one could not read/);
    expect(cut).toMatch(
      /^DataError: shards: process 1 of 2 has read other pictures.*skipped the rest of .*-short\.tar/,
    );
    expect(await said([torn, torn])).toEqual(["nothing", "nothing"]);
  });

  it("go on from any place of one, two or three processes", { timeout: 120_000 }, async () => {
    const pool = await poolOf("again", (i) => i % 41 === 7);
    const [one] = await draw(1, pool);
    for (const [size, k] of [
      [2, 18],
      [3, 33],
    ] as const) {
      const all = await draw(size, pool, one!.states[k]);
      all.forEach(({ batches, shown }, rank) => {
        const rest = one!.batches.slice(k);
        expect(batches.slice(0, rest.length)).toEqual(rest);
        expect(shown.slice(0, rest.length)).toEqual(rest.map((batch) => own(batch, rank, size)));
      });
    }
  });
});
