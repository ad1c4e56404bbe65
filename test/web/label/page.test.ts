// What the studio's page decides by itself: keys, and what a lasso holds.
import { expect, test } from "vitest";
import { chosenOf, untold } from "../../../web/app/label/chosen-of.js";
import { keyOf } from "../../../web/app/label/keys.js";
import { inside } from "../../../web/app/label/map-canvas.js";

test("classes have digits, then letters, none of them twice and none that undoes", () => {
  const keys = Array.from({ length: 33 }, (_, place) => keyOf(place));
  expect(keys.slice(0, 11)).toEqual([..."123456789ab"]);
  expect(new Set(keys).size).toBe(33);
  expect(keys.filter((key) => key === undefined || "0zy".includes(key))).toEqual([]);
  expect(keyOf(33)).toBeUndefined();
});

test("chosen pictures that are no longer shown get no answer", () => {
  const selected = new Set([4, 1, 2, 3]);
  expect(chosenOf(selected, [1, 3, 4, 5])).toEqual([1, 3, 4]);
  expect(chosenOf(selected, [])).toEqual([]);
  expect(chosenOf(selected)).toEqual([4, 1, 2, 3]);
});

test("what was answered here and opened again elsewhere is open", () => {
  const codes = Int32Array.of(-1, -1, -1);
  const answered = new Set([0, 2]);
  expect(untold(answered, codes)).toBe(answered);
  codes[2] = 1;
  const left = untold(answered, codes);
  expect([...left]).toEqual([0]);
  codes[2] = -1;
  expect(untold(left, codes).has(2)).toBe(false);
});

test("a lasso holds what lies within it, dents and all", () => {
  const dented = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0.5, 0.2],
    [0, 1],
  ] as const;
  expect(inside([0.1, 0.5], dented)).toBe(true);
  expect(inside([0.9, 0.5], dented)).toBe(true);
  expect(inside([0.5, 0.5], dented)).toBe(false);
  expect(inside([2, 0.5], dented)).toBe(false);
  expect(inside([0.5, 0.5], [])).toBe(false);
});
