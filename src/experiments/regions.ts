/** Decision regions of runs on points in the plane: what the finished network says everywhere. */
import { openTrainedRun } from "../inference/open.js";
import type { Region } from "../report/figures.js";
import { RunFolder } from "../run/index.js";
import { noGrad, scope, tensor } from "../torch/index.js";
import type { Plan } from "./plan.js";
import { stateOf } from "./run-state.js";

const [columns, rows] = [90, 60];
const x = [-2, 2] as const;
const y = [-1.3, 1.3] as const;
/** Unlabeled points that are drawn. */
const SHOWN = 400;

/** One region an arm, of the first seed that is finished. */
export async function regionsOf(plan: Plan): Promise<Region[]> {
  const regions: Region[] = [];
  for (const arm of plan.arms) {
    const run = plan.runs.find((one) => one.arm === arm && stateOf(one) === "finished");
    if (run) regions.push(await regionOf(run.folder, arm.row.label));
  }
  return regions;
}

async function regionOf(path: string, title: string): Promise<Region> {
  const { session } = await openTrainedRun(RunFolder.open(path));
  try {
    const { method, hardware } = session;
    const model = method.models[method.predictor]!;
    const centers = Array.from({ length: rows * columns }, (_, i) => [
      x[0] + ((x[1] - x[0]) * ((i % columns) + 0.5)) / columns,
      y[0] + ((y[1] - y[0]) * (Math.floor(i / columns) + 0.5)) / rows,
    ]).flat();
    const probabilities = scope(() =>
      noGrad(() => {
        const grid = tensor(Float32Array.from(centers), [rows * columns, 2, 1, 1]).toDevice(hardware.device);
        return model
          .forward(grid, "eval")
          .softmax(1)
          .toNumbers()
          .filter((_, i) => i % 2 === 1);
      }),
    );
    return { title, x, y, columns, rows, probabilities, points: pointsOf(session) };
  } finally {
    session.data.release();
  }
}

function pointsOf({ data }: Awaited<ReturnType<typeof openTrainedRun>>["session"]): Region["points"] {
  const { pixels } = data.train;
  const { y: labels } = data.split;
  const labeled = [...labels.keys()].filter((i) => labels[i]! >= 0);
  const all = [...labels.keys()].slice(0, SHOWN).filter((i) => labels[i]! < 0);
  const point = (i: number, isLabeled: boolean) => ({
    x: pixels[2 * i]!,
    y: pixels[2 * i + 1]!,
    label: data.trainLabels[i] ?? 0,
    labeled: isLabeled,
  });
  return [...all.map((i) => point(i, false)), ...labeled.map((i) => point(i, true))];
}
