// What `predict` and `export` rely on: a checkpoint holds the weights of every model under its role.
import { expect, test } from "vitest";
import { methods } from "../../src/methods/index.js";
import { describeEngine } from "../support/engine.js";
import { tinyRun } from "../support/method-run.js";

describeEngine("every method", () => {
  test.each(methods.map(({ name }) => name))("%s saves each of its models under the model's role", (name) => {
    const run = tinyRun(name);
    const { models, state } = run.method;
    for (const [role, model] of Object.entries(models)) {
      const saved = Object.keys(state[role]?.stateDict().tensors ?? {}).sort();
      expect(saved).toEqual(Object.keys(model.stateDict().tensors).sort());
    }
    run.release();
  });
});
