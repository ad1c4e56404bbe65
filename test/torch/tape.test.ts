// The tape: what a pass did, and the passes that cannot be a graph.
import { expect, test } from "vitest";
import { cat, full, noGrad, recordTape, scope, type Tensor, tensor, zeros } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const record = (body: (x: Tensor) => Tensor) =>
  noGrad(() => scope(() => recordTape(tensor([1, 2, 3, 4], [2, 2]), body, () => "here")));

describeEngine("recordTape", () => {
  test("lists operators on the input in order; what does not depend on it is a constant", () => {
    const tape = record((x) => {
      const half = full([2], 0.5).mul(3); // not on the tape
      return x.mul(half).relu().add(1);
    });
    expect(tape.steps.map(({ name }) => name)).toEqual(["aten::mul", "aten::relu", "aten::add"]);
    expect(tape.steps[0]!.operands[1]).toMatchObject({ kind: "constant" });
    expect(tape.copies.map((t) => t.toNumbers())).toEqual([[1.5, 1.5]]);
    expect(tape.steps.at(-1)!.results).toEqual([tape.output]);
    for (const t of tape.copies) t.release();
  });

  test("kept tensors are themselves, and constants are as they were when they were read", () => {
    const kept = zeros([2]).keep();
    const tape = record((x) => {
      const moving = zeros([2]);
      const first = x.add(kept).add(moving);
      moving.narrow(0, 0, 1).add_(1);
      return first.add(moving);
    });
    const constants = tape.steps.map(({ operands }) => operands[1]!);
    expect(constants[0]).toEqual({ kind: "constant", tensor: kept });
    expect(tape.copies.map((t) => t.toNumbers())).toEqual([
      [0, 0],
      [1, 0],
    ]);
    for (const t of [kept, ...tape.copies]) t.release();
  });

  test("an operator in place gives its tensor a new value", () => {
    const tape = record((x) => {
      const h = x.mul(2);
      h.add_(x);
      return cat([h, x], 0);
    });
    const [mul, add, joined] = tape.steps;
    expect(add!.operands[0]).toEqual({ kind: "value", id: mul!.results[0] });
    expect(joined!.operands[0]).toEqual({
      kind: "list",
      items: [
        { kind: "value", id: add!.results[0] },
        { kind: "value", id: tape.input },
      ],
    });
  });

  test.each<[string, (x: Tensor) => Tensor, RegExp]>([
    [
      "memory that is changed and then read through a view",
      (x) => {
        const h = x.mul(2);
        const row = h.narrow(0, 0, 1);
        h.add_(1);
        return row.add(1);
      },
      /aten::add in here: .*changed in place through another view/,
    ],
    [
      "a base that is read after a view of it was changed",
      (x) => {
        const h = x.mul(2);
        h.narrow(0, 0, 1).add_(1);
        return h.add(1);
      },
      /changed in place through another view/,
    ],
    ["values that JavaScript reads", (x) => x.mul(x.sum().item()), /aten::item in here: .*reads values/],
    ["a constant that is written over", (x) => zeros([2, 2]).add_(x), /aten::add_ in here: .*does not depend on it/],
    ["a result that does not depend on the input", () => zeros([2]), /does not depend on the input/],
  ])("refuses %s", (_, body, message) => {
    expect(() => record(body)).toThrow(message);
  });
});
