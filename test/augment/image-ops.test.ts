/** The native image operations against PIL's stored results, byte for byte. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { encodeBox, encodeOp, type Instruction, type Interpolation, type OpName } from "../../src/augment/ops.js";
import { EngineError } from "../../src/errors.js";
import {
  type AugmentRules,
  augmentImages,
  IMAGE_OP_ARGUMENTS,
  imageOps,
  type Scaling,
  scope,
  tensor,
} from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

interface Stored {
  readonly pil: string;
  readonly inputs: Readonly<Record<string, { shape: [number, number, number]; pixels: string }>>;
  readonly cases: readonly { op: string; value: number | readonly number[] | null; input: string; output: string }[];
}

const { inputs, cases }: Stored = JSON.parse(
  readFileSync(new URL("../reference/image-ops.json", import.meta.url), "utf8"),
);
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));
const asBytes: Scaling = { scale: Float32Array.of(1, 1, 1), offset: Float32Array.of(0, 0, 0), per: "channel" };

function rulesFor(channels: number, fill: number, more: Partial<AugmentRules> = {}): AugmentRules {
  return {
    padBefore: "fill",
    padAfter: "fill",
    fill: new Array<number>(channels).fill(fill),
    color: new Array<number>(channels).fill(128),
    fillIsHole: false,
    hole: -1,
    ...more,
  };
}

/** One picture through a list of instructions; numbers as they come out. */
function run(
  pixels: Uint8Array,
  shape: readonly [number, number, number],
  list: readonly Instruction[],
  more: Partial<AugmentRules> = {},
  fill = 128,
): number[] {
  const values = new Float64Array(list.length * IMAGE_OP_ARGUMENTS);
  list.forEach((one, k) => {
    values.set(one.values, k * IMAGE_OP_ARGUMENTS);
  });
  const program = { ops: Int32Array.from(list, ({ op }) => op), values };
  const scaling = { ...asBytes, scale: asBytes.scale.slice(0, shape[0]), offset: asBytes.offset.slice(0, shape[0]) };
  return scope(() =>
    augmentImages(
      tensor(pixels, [1, ...shape]),
      Int32Array.of(0),
      { before: undefined, program, after: undefined },
      rulesFor(shape[0], fill, more),
      scaling,
    ).toNumbers(),
  );
}

describeEngine("image operations agree with PIL to the byte", () => {
  const names = [...new Set(cases.map(({ op }) => op))];
  test.each(names)("%s", (name) => {
    for (const { value, input, output } of cases.filter(({ op }) => op === name)) {
      const { shape, pixels } = inputs[input]!;
      const canvas = { width: shape[2], height: shape[1] };
      const interpolation = (/Bicubic$/.test(name) ? "bicubic" : "nearest") as Interpolation;
      const instruction =
        name === "rectangle"
          ? rectangle(value as number[])
          : encodeOp(
              name.replace(/Nearest|Bicubic/, "") as Exclude<OpName, "cutout">,
              Number(value),
              canvas,
              interpolation,
            );
      const got = run(bytes(pixels), shape, [instruction], {}, name.startsWith("translate") ? 0 : 128);
      expect(got, `${name} ${value} of ${input}`).toEqual([...bytes(output)]);
    }
  });

  /** Both corners that PIL was given belong to it. */
  function rectangle([x0, y0, x1, y1]: readonly number[]): Instruction {
    return { op: imageOps.box, values: [x0!, y0!, x1! + 1, y1! + 1] };
  }
});

describeEngine("boxes, holes and padding", () => {
  const line = Uint8Array.of(10, 20, 30, 40);
  const shape = [1, 1, 4] as const;
  const canvas = { width: 4, height: 1 };

  test("a square has half its side on each side of its center pixel and is cut off at the border", () => {
    const at = (column: number) => [column / 4, 0] as const;
    const square = (side: number, column: number) =>
      run(line, shape, [encodeBox({ side, at: at(column), bothCorners: false }, canvas, "box")]);
    expect(square(2, 2)).toEqual([10, 128, 128, 40]);
    expect(square(2, 0)).toEqual([128, 20, 30, 40]);
    expect(square(4, 3)).toEqual([10, 128, 128, 128]);
    expect(square(0, 2)).toEqual([10, 20, 30, 40]);
  });

  test("a hole shows the value asked for, or 0 after normalization, and moves with the crop after it", () => {
    const hole = { op: imageOps.hole, values: [1, 0, 2, 1] };
    const shown = (value: number | undefined, scaling: Scaling) =>
      scope(() =>
        augmentImages(
          tensor(line, [1, ...shape]),
          Int32Array.of(0),
          {
            before: undefined,
            program: { ops: Int32Array.of(hole.op), values: Float64Array.of(...hole.values, 0, 0) },
            after: { dy: Int32Array.of(0), dx: Int32Array.of(1), flip: Uint8Array.of(0) },
          },
          rulesFor(1, 7, { hole: value }),
          scaling,
        ).toNumbers(),
      );
    const scaling: Scaling = { scale: Float32Array.of(2), offset: Float32Array.of(-5), per: "channel" };
    expect(shown(127.5, scaling)).toEqual([250, 55, 75, 9]);
    expect(shown(undefined, scaling)).toEqual([0, 55, 75, 9]);
  });

  test("what geometry brings in is a hole until an operation on colors makes it picture", () => {
    const shift = { op: imageOps.affineNearest, values: [1, 0, 2, 0, 1, 0] };
    const brighter = { op: imageOps.brightness, values: [2] };
    const invert = { op: imageOps.invert, values: [] };
    const rules = { fillIsHole: true, hole: 99 } as const;
    expect(run(line, shape, [shift], rules, 0)).toEqual([30, 40, 99, 99]);
    expect(run(line, shape, [shift, brighter], rules, 0)).toEqual([60, 80, 99, 99]);
    expect(run(line, shape, [shift, invert], rules, 0)).toEqual([225, 215, 255, 255]);
    expect(run(line, shape, [shift], { hole: 99 }, 5)).toEqual([30, 40, 5, 5]);
    const smooth = { op: imageOps.sharpness, values: [0] };
    expect(run(line, shape, [shift, smooth, brighter], rules, 0)).toEqual([60, 80, 99, 99]);
  });

  test("a crop pads by reflection or with the fill, before and after", () => {
    const view = (dx: number) => ({ dy: Int32Array.of(0), dx: Int32Array.of(dx), flip: Uint8Array.of(0) });
    const flipped = { ...view(1), flip: Uint8Array.of(1) };
    const move = (place: "before" | "after", pad: "reflect" | "fill", draw = view(-2)) =>
      scope(() =>
        augmentImages(
          tensor(line, [1, ...shape]),
          Int32Array.of(0),
          {
            before: undefined,
            after: undefined,
            program: { ops: Int32Array.of(0), values: new Float64Array(6) },
            [place]: draw,
          },
          rulesFor(1, 7, place === "before" ? { padBefore: pad } : { padAfter: pad }),
          { ...asBytes, scale: Float32Array.of(1), offset: Float32Array.of(0) },
        ).toNumbers(),
      );
    for (const place of ["before", "after"] as const) {
      expect(move(place, "reflect")).toEqual([30, 20, 10, 20]);
      expect(move(place, "fill")).toEqual([7, 7, 10, 20]);
      expect(move(place, "reflect", flipped)).toEqual([30, 40, 30, 20]);
      expect(move(place, "fill", flipped)).toEqual([7, 40, 30, 20]);
    }
  });

  test("nonsense from the caller is an EngineError, not a crash", () => {
    const bad: Instruction[] = [
      { op: 99, values: [] },
      { op: -1, values: [] },
      { op: imageOps.posterize, values: [9] },
      { op: imageOps.affineNearest, values: [Number.NaN, 0, 0, 0, 1, 0] },
      { op: imageOps.box, values: [1e300] },
    ];
    for (const one of bad) expect(() => run(line, shape, [one])).toThrow(EngineError);
    expect(() => run(Uint8Array.of(1, 2), [2, 1, 1], [])).toThrow(/1 or 3 channels/);
  });
});
