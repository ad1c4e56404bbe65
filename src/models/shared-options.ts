/** What every network can be told; declared once, and handled where models are built. */
import { FREEZES } from "../nn/index.js";
import { choice, needThat, number, type OptionSpec, path, text } from "../options.js";

const loaded = [needThat("model.weights", "given", (value) => value !== undefined, {})];

export const sharedModelOptions = {
  weights: path(undefined, {
    // Names of official weights.
    except: /^(?!.*\.(pth|pt|bin|safetensors)$)[\w.-]+$/,
    doc: "name of official weights (`fewlabels weights list`), or a file of torch.save (.pth, .pt, .bin) or safetensors whose tensors replace the fresh weights of every role, by PyTorch's names; heads of another class count start fresh",
  }),
  weightsRole: text(undefined, {
    doc: "the one role that gets these weights, `teacher` say, where the method has several; if not given, every role (a teacher that starts as a copy of its student is not changed by weights of its own)",
  }),
  headStart: choice(["random", "means"], "random", {
    needs: loaded,
    doc: "how a head starts that the loaded weights do not fill: at random, or from the mean features of each class (default: means for pictures from folders and shards)",
  }),
  headTemperature: number(0.1, {
    min: 1e-3,
    max: 100,
    needs: loaded,
    doc: "of a head that starts from class means: its logits are cosines divided by this; smaller where few pseudo-labels pass their threshold (`kept` stays near 0), larger where nearly all pass at once",
  }),
  freeze: choice(FREEZES, "none", {
    doc: "backbone: train the heads alone; what lies before them keeps its weights and runs as in evaluation",
  }),
} as const satisfies OptionSpec;
