/** Weights from elsewhere: a file of torch.save or safetensors with PyTorch's names, or a model of one of our own checkpoints. */
import { DataError } from "../errors.js";
import { readWeightsFile } from "../files/torch-file.js";
import { type Model, type NamedTensor, NEIGHBORS } from "../nn/index.js";
import { locateWeights } from "../pretrained/cache.js";
import { inOurNames } from "../pretrained/names.js";
import { recognize } from "../pretrained/recognize.js";
import type { RawTensor } from "../run/index.js";
import { cat, noGrad, resizeBicubic, scope, type Tensor } from "../torch/index.js";
import { fromRaw } from "./checkpoint.js";

/** How many names of one kind an error lists. */
const LISTED = 20;

/** Gives the heads that stay fresh their start, by layer, once all else is loaded; how each starts, for the remark. */
export type StartHeads = (layers: ReadonlySet<string>) => (layer: string) => string;

/**
 * Copies the file's tensors into `model`, converted to its types; `num_batches_tracked` is ignored. A head that has
 * another number of classes in the file, or a second head that is not there, stays fresh. Returns a remark for each such
 * head. Throws DataError that lists missing, unexpected and mis-shaped names; the model is then as before.
 */
export function loadWeights(
  model: Model,
  nameOrFile: string,
  start: StartHeads = () => () => "with fresh weights",
): string[] {
  const path = locateWeights(nameOrFile);
  const { tensors, taken } = readWeightsFile(path);
  const own = [...model.parameters, ...model.buffers];
  const file = withoutNeighbors(inOurNames(tensors), own);
  const fresh = freshHeads(own, file);
  const kept = own.filter(({ name }) => !fresh.has(layerOf(name)));
  const names = new Set(own.map(({ name }) => name));

  const missing = kept.filter(({ name }) => !file.has(name)).map(({ name }) => name);
  const unexpected = [...file.keys()].filter((name) => !names.has(name));
  const misshaped = kept.flatMap((own) => {
    const found = file.get(own.name)?.shape;
    const fits = !found || sameShape(found, own.tensor.shape) || squareOf(own, found) !== undefined;
    return fits ? [] : [`${own.name} (${shown(found)} there, ${shown(own.tensor.shape)} here)`];
  });
  const unclear = kept.flatMap((own) => unclearGrid(own, file.get(own.name)?.shape));
  const broken = kept.filter(({ name }) => file.has(name) && !allFinite(file.get(name)!)).map(({ name }) => name);
  if (broken.length > 0) {
    throw new DataError(
      `${path}: ${broken.length} of its tensors hold NaN or infinity, so nothing can be learned from them: ${broken.slice(0, LISTED).join(", ")}. Was the run that wrote them broken? Take an earlier checkpoint`,
    );
  }
  const problems = [
    ...listed("missing in the file", missing),
    ...listed("not part of the model", unexpected),
    ...listed("of another shape", misshaped),
    ...listed("with positions on a grid that the file does not tell", unclear),
  ];
  if (problems.length > 0) {
    throw new DataError(`${path}: these weights do not fit the model. ${problems.join("; ")}. ${advice(file, own)}`);
  }
  noGrad(() => {
    for (const own of kept) scope(() => own.tensor.copy_(fitted(own, file.get(own.name)!)));
  });
  const startOf = fresh.size > 0 ? start(new Set(fresh.keys())) : String;
  const averaged = taken.filter((key) => key.includes("ema"));
  return [
    ...averaged.map((key) => `${path}: the averaged weights in it ("${key}") are taken`),
    ...[...fresh].map(([layer, why]) => `${path}: ${layer} ${why}, so this head starts ${startOf(layer)}`),
  ];
}

/** What to do about weights that do not fit. */
function advice(file: ReadonlyMap<string, RawTensor>, own: readonly NamedTensor[]): string {
  const stem = stemOf((name) => file.get(name)?.shape);
  const here = stemOf((name) => own.find((tensor) => tensor.name === name)?.tensor.shape);
  if (stem !== undefined && here !== undefined && stem !== here) {
    return `Small pictures have a smaller stem: add --model.stem ${stem}, which needs pictures of at least ${8 * stem} pixels`;
  }
  const known = recognize(file);
  if (!known) return "Is it the same network, with the same options and the same number of input channels?";
  return `They are those of ${known.model}: use --model ${known.model}, without options that change its shape, and pictures with 3 channels`;
}

/** Side of ConvNeXt's first convolution, which follows from the pictures where it is not given; undefined for other networks. */
function stemOf(shape: (name: string) => readonly number[] | undefined): number | undefined {
  return shape("features.1.0.layer_scale") && shape("features.0.0.weight")?.[2];
}

/** Whether a tensor of real numbers holds numbers alone: all bits of an exponent set are NaN or infinity. */
function allFinite({ dtype, bytes }: RawTensor): boolean {
  const layout = exponents[dtype];
  if (!layout) return true;
  const { size, mask } = layout;
  // Little-endian: sign and exponent are in the last two bytes of each number.
  for (let at = size - 2; at < bytes.length; at += size) {
    if (((bytes[at]! | (bytes[at + 1]! << 8)) & mask) === mask) return false;
  }
  return true;
}

const exponents: Readonly<Partial<Record<RawTensor["dtype"], { size: number; mask: number }>>> = {
  F64: { size: 8, mask: 0x7ff0 },
  F32: { size: 4, mask: 0x7f80 },
  F16: { size: 2, mask: 0x7c00 },
  BF16: { size: 2, mask: 0x7f80 },
};

/** Side of the grid of a table of positions in a file, `[1, 1 + side^2, D]`: that of published ones is square, and no file tells. */
function squareOf({ tensor, grid }: NamedTensor, there: readonly number[]): number | undefined {
  if (!grid || there.length !== 3 || there[2] !== tensor.shape[2]) return undefined;
  const side = Math.sqrt(there[1]! - 1);
  return Number.isInteger(side) && side > 0 ? side : undefined;
}

/** As many positions as here may be a square of them, to be resampled, or the same rectangle, to be taken as they are. */
function unclearGrid(own: NamedTensor, there: readonly number[] | undefined): string[] {
  const side = there && sameShape(there, own.tensor.shape) ? squareOf(own, there) : undefined;
  if (side === undefined || own.grid![0] === side) return [];
  return [
    `${own.name} (${side} x ${side}, or ${own.grid!.join(" x ")} as here? Pictures of another size make it clear)`,
  ];
}

/**
 * The file's tensor; a table of positions of another grid is resampled by cubic interpolation, the class token's row apart, with the
 * tenth of a position that DINOv2's code adds to the new sides.
 *
 * @see facebookresearch/dinov2, vision_transformer.py, interpolate_pos_encoding
 */
function fitted(own: NamedTensor, raw: RawTensor): Tensor {
  const table = fromRaw(raw);
  const { shape } = own.tensor;
  const side = sameShape(raw.shape, shape) ? undefined : squareOf(own, raw.shape);
  if (side === undefined) return table;
  const [height, width] = own.grid!;
  const size = shape[2]!;
  const maps = table
    .float()
    .narrow(1, 1, side * side)
    .reshape([1, side, side, size])
    .permute([0, 3, 1, 2]);
  const resized = resizeBicubic(maps, [height, width], [(height + 0.1) / side, (width + 0.1) / side]);
  const rows = resized.permute([0, 2, 3, 1]).reshape([1, height * width, size]);
  return cat([table.float().narrow(1, 0, 1), rows], 1);
}

/** What `knn` leaves in place of a head is none for a network that has its own. */
function withoutNeighbors(file: ReadonlyMap<string, RawTensor>, own: readonly NamedTensor[]): Map<string, RawTensor> {
  const isTheirs = (name: string) => name.startsWith(`${NEIGHBORS}.`);
  const wanted = own.some(({ name }) => isTheirs(name));
  return new Map([...file].filter(([name]) => wanted || !isTheirs(name)));
}

/** Heads that stay as they are, by layer, with the reason. */
function freshHeads(own: readonly NamedTensor[], file: ReadonlyMap<string, RawTensor>): Map<string, string> {
  const heads = new Map<string, NamedTensor[]>();
  for (const p of own) {
    if (p.part === "head") heads.set(layerOf(p.name), [...(heads.get(layerOf(p.name)) ?? []), p]);
  }
  // Without any head in the file it is that of a backbone, as long as something else fits.
  const known = own.filter(({ name }) => file.has(name));
  const fresh = new Map<string, string>();
  for (const [layer, list] of heads) {
    const found = list.map(({ name }) => file.get(name)?.shape);
    if (known.length > 0 && found.every((shape) => shape === undefined)) fresh.set(layer, "is not in the file");
    const [there, here] = [found[0]?.[0], list[0]!.tensor.shape[0]];
    const onlyClassesDiffer = list.every(({ tensor: { shape } }, i) => {
      return found[i] && (sameShape(shape, found[i]) || sameShape([there!, ...shape.slice(1)], found[i]));
    });
    if (onlyClassesDiffer && there !== here) fresh.set(layer, `has ${there} classes there and ${here} here`);
  }
  return fresh;
}

/** "classifier.1.weight" -> "classifier.1" */
export function layerOf(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

function listed(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const rest = names.length > LISTED ? ` and ${names.length - LISTED} more` : "";
  return [`${names.length} ${what}: ${names.slice(0, LISTED).join(", ")}${rest}`];
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

function shown(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
