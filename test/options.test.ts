import { describe, expect, expectTypeOf, it } from "vitest";
import { UsageError } from "../src/errors.js";
import { boolean, choice, integer, number, type OptionsOf, parseOption, parseOptions, text } from "../src/options.js";

const spec = {
  rate: number(0.5, { min: 0, max: 1, doc: "a share" }),
  count: integer(undefined, { min: 1, doc: "how many; derived if not given" }),
  on: boolean(false, { doc: "a switch" }),
  kind: choice(["one", "two"], "one", { doc: "which" }),
  name: text("x", { doc: "free text" }),
} as const;

describe("parseOptions", () => {
  it("fills in defaults and types every field", () => {
    const options = parseOptions(spec, { kind: "two" }, "test");
    expect(options).toEqual({ rate: 0.5, count: undefined, on: false, kind: "two", name: "x" });
    expectTypeOf<OptionsOf<typeof spec>["kind"]>().toEqualTypeOf<"one" | "two">();
    expectTypeOf<OptionsOf<typeof spec>["count"]>().toEqualTypeOf<number | undefined>();
  });

  it("takes text from flags and typed values from YAML alike", () => {
    const typed = { rate: 0.25, count: 3, on: true };
    expect(parseOptions(spec, { rate: "0.25", count: "3", on: "true" }, "test")).toEqual(
      parseOptions(spec, typed, "test"),
    );
  });

  it("names the nearest option for an unknown one", () => {
    expect(() => parseOptions(spec, { cuont: 1 }, "test")).toThrow(new UsageError(unknown("cuont", "count")));
  });
});

describe("parseOption", () => {
  it.each([
    ["rate", 1.5],
    ["rate", "abc"],
    ["rate", ""],
    ["rate", Number.NaN],
    ["rate", true],
    ["count", 0],
    ["count", 2.5],
    ["count", "1e400"],
    ["on", "yes"],
    ["kind", "three"],
    ["name", null],
    ["name", {}],
  ] as const)("refuses %s = %s with a UsageError that says who and what", (name, raw) => {
    const parse = () => parseOption(spec[name] as (typeof spec)["rate"], `--${name}`, raw, "fewlabels train");
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(new RegExp(`^fewlabels train: .*--${name}`));
  });

  it("takes both ends of a range", () => {
    expect(parseOption(spec.rate, "rate", 0, "test")).toBe(0);
    expect(parseOption(spec.rate, "rate", "1", "test")).toBe(1);
  });
});

function unknown(got: string, near: string): string {
  return `test: unknown option "${got}". Did you mean "${near}"?`;
}
