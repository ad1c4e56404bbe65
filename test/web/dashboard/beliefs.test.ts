// What the gallery and the confusion view compute: filters, pseudo-labels against the prior, collapse, differences of matrices.
import { describe, expect, test } from "vitest";
import type { SeenPictures, SeenStep } from "../../../src/web/dashboard/api.js";
import { kept, pseudoLabels, seeings } from "../../../web/app/dashboard/run/beliefs.js";
import { errorWords, matrixOf, rowErrors, sameClasses } from "../../../web/app/dashboard/run/matrix.js";

const pictures: SeenPictures = {
  classes: ["cat", "dog"],
  index: [3, 8, 9],
  truth: [0, 1, -1],
  prior: [0.5, 0.5],
  predictor: "teacher",
};
/** Class and probability of the teacher's first guess for each picture, then the student's. */
function step(at: number, teacher: readonly [number, number][], student: readonly [number, number][]): SeenStep {
  const belief = (guesses: readonly [number, number][]) => ({
    classes: guesses.flatMap(([k]) => [k, 1 - k]),
    probabilities: guesses.flatMap(([, p]) => [p, Number((1 - p).toFixed(3))]),
  });
  return { step: at, top: 2, split: "test", beliefs: { teacher: belief(teacher), student: belief(student) } };
}
const steps = [
  step(
    10,
    [
      [0, 0.6],
      [1, 0.7],
      [0, 0.9],
    ],
    [
      [0, 0.6],
      [1, 0.7],
      [0, 0.9],
    ],
  ),
  step(
    20,
    [
      [1, 0.97],
      [1, 0.99],
      [0, 0.55],
    ],
    [
      [1, 0.6],
      [0, 0.7],
      [0, 0.9],
    ],
  ),
];
const places = (list: readonly { readonly index: number }[]) => list.map(({ index }) => index);

describe("seeings", () => {
  test("says what the result's model believes, what the other one does, and how it came to it", () => {
    const [first] = seeings(pictures, steps, 20);
    expect(first).toEqual({
      place: 0,
      index: 3,
      truth: 0,
      belief: [
        { class: 1, probability: 0.97 },
        { class: 0, probability: 0.03 },
      ],
      other: { class: 1, probability: 0.6 },
      history: [
        { step: 10, class: 0, probability: 0.6 },
        { step: 20, class: 1, probability: 0.97 },
      ],
      changed: true,
    });
    expect(seeings(pictures, steps, 20)[2]!.truth).toBeUndefined();
  });

  test("of an earlier step knows nothing of later ones", () => {
    expect(seeings(pictures, steps, 10).map(({ changed, history }) => [changed, history.length])).toEqual(
      new Array(3).fill([false, 1]),
    );
    expect(seeings(pictures, steps, 5)).toEqual([]);
  });
});

test.each([
  ["all", undefined, [3, 8, 9]],
  ["unsure", undefined, [9]],
  ["changed its mind", undefined, [3]],
  ["student and teacher disagree", undefined, [8]],
  ["wrong", undefined, [3]],
  ["all", 1, [3, 8]],
  ["unsure", 1, []],
] as const)("filter %j, taken for %j", (filter, predicted, expected) => {
  expect(places(kept(seeings(pictures, steps, 20), filter, 0.95, predicted))).toEqual(expected);
});

describe("pseudoLabels", () => {
  test("counts the sure ones, and how many of those that are known are right", () => {
    expect(pseudoLabels(seeings(pictures, steps, 20), pictures.prior, 0.95)).toEqual({
      taken: [1, 2],
      counts: [0, 2],
      sure: 2,
      all: 3,
      precision: 0.5,
      collapsed: undefined,
    });
    expect(pseudoLabels(seeings(pictures, steps, 20), pictures.prior, 1).precision).toBeUndefined();
  });

  test.each([
    ["nearly all are one of ten classes", [0.9, 10], new Array(10).fill(0.1), 0],
    ["nearly all are what nearly all labels are", [0.9, 10], [0.9, 0.1], undefined],
    ["there are too few", [0.9, 9], new Array(10).fill(0.1), undefined],
  ] as const)("marks a collapse where %s", (_, [share, count], prior, expected) => {
    const many = { ...pictures, prior, index: Array.from({ length: count }, (_, i) => i), truth: [] };
    const guesses = many.index.map((i): [number, number] => [i < share * count ? 0 : 1, 0.99]);
    expect(pseudoLabels(seeings(many, [step(1, guesses, guesses)], 1), prior, 0.95).collapsed).toBe(expected);
  });
});

test("matrices: counts, percent of the true class, differences, errors by class", () => {
  const [a, b] = [
    [
      [8, 2],
      [0, 0],
    ],
    [
      [5, 5],
      [1, 3],
    ],
  ];
  expect(matrixOf(a, undefined, false)).toEqual(a);
  expect(matrixOf(a, undefined, true)).toEqual([
    [80, 20],
    [0, 0],
  ]);
  expect(matrixOf(a, b, true)).toEqual([
    [30, -30],
    [-25, -75],
  ]);
  expect(rowErrors(a)).toEqual([
    { error: 20, n: 10 },
    { error: Number.NaN, n: 0 },
  ]);
});

test("matrices are compared where their classes have the same names, and a class without images has no error", () => {
  expect(sameClasses(["cat", "dog"], ["cat", "dog"])).toBe(true);
  expect(sameClasses(["cat", "dog"], ["dog", "cat"])).toBe(false);
  expect(sameClasses(["cat"], undefined)).toBe(false);
  expect(errorWords(Number.NaN, 3)).toBe("-");
  expect([errorWords(5), errorWords(5, Number.NaN)]).toEqual(["5.00 %", "5.00 %"]);
  expect(errorWords(5, 3)).toBe("5.00 % (+2.00)");
});
