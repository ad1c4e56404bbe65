/**
 * Vision transformer: patches as tokens, a class token, attention and dense layers by turns. Tensors are named as in torchvision
 * (`encoder.layers.encoder_layer_0.self_attention.in_proj_weight`); with `layerScale`, the scales of DINOv2 are `ls_1.gamma` and
 * `ls_2.gamma`.
 */
import { UsageError } from "../errors.js";
import {
  conv2d,
  dropConnect,
  dropout,
  gelu,
  layerNorm,
  layerScale,
  linear,
  type Module,
  network,
  type Pass,
  parameter,
  segment,
  selfAttention,
  sequential,
} from "../nn/index.js";
import { integer, number } from "../options.js";
import type { Rng } from "../rng.js";
import { cat, expand, normal, type Tensor } from "../torch/index.js";
import { defineModel } from "./model-definition.js";

export const vit = defineModel({
  name: "vit",
  paper: "arXiv:2010.11929, Table 1; arXiv:2304.07193 (DINOv2)",
  summary: "vision transformer, 86.6 million parameters (B/16) or 22 million (S/14) at 1000 classes",
  options: {
    patch: integer(16, { min: 1, max: 256, doc: "side of a patch in pixels; must divide the images' sides" }),
    size: integer(768, { min: 1, doc: "numbers a token" }),
    layers: integer(12, { min: 1, max: 200, doc: "blocks of attention and dense layers" }),
    attentionHeads: integer(12, { min: 1, doc: "attention heads a block; must divide size" }),
    dropout: number(0, { min: 0, max: 1, doc: "dropout probability of tokens and branches" }),
    dropConnect: number(0, {
      min: 0,
      max: 1,
      doc: "stochastic depth by image: the last block's branches are dropped with this probability",
    }),
    layerScale: number(0, { min: 0, doc: "fresh value of the scales of the branches; 0: there are none" }),
  },
  presets: {
    "vit-b16": { patch: 16, size: 768, layers: 12, attentionHeads: 12 },
    "vit-s16": { patch: 16, size: 384, layers: 12, attentionHeads: 6 },
    "vit-s14": { patch: 14, size: 384, layers: 12, attentionHeads: 6, layerScale: 1e-5 },
    "vit-b14": { patch: 14, size: 768, layers: 12, attentionHeads: 12, layerScale: 1e-5 },
  },
  input: { channels: 3, height: 224, width: 224, numClasses: 1000 },
  create({ channels, height, width, numClasses }, options) {
    const { patch, size, layers, attentionHeads: heads } = options;
    if (height % patch !== 0 || width % patch !== 0) {
      throw new UsageError(
        `vit: expected images whose sides are multiples of the patch, ${patch}, got ${width} x ${height}. Choose a fitting --dataset.size or --model.patch`,
      );
    }
    if (size % heads !== 0) throw new UsageError(`vit: expected attentionHeads that divide size ${size}, got ${heads}`);
    const grid = [height / patch, width / patch] as const;
    const tokens = grid[0] * grid[1] + 1;
    const patches = conv2d(channels, size, { kernel: patch, stride: patch, padding: 0, bias: true });
    const blocks = Array.from({ length: layers }, (_, i): [string, Module] => [
      `encoder_layer_${i}`,
      segment(
        block(size, heads, { ...options, dropConnect: layers > 1 ? (options.dropConnect * i) / (layers - 1) : 0 }),
      ),
    ]);
    const encoder = positioned(grid, size, dropout(options.dropout), sequential(Object.fromEntries(blocks)));
    const classToken = parameter([1, 1, size]);
    const features: Module = {
      products: () => 0, // the class token is no kernel
      children: { conv_proj: patches, encoder },
      parameters: { class_token: classToken },
      buffers: {},
      reset: () => void classToken.zero_(),
      forward(x: Tensor, pass: Pass) {
        const rows = x.size(0);
        const later = patches
          .forward(x, pass)
          .reshape([rows, size, tokens - 1])
          .permute([0, 2, 1]);
        const first = expand(classToken, [rows, 1, size]).to(later.dtype);
        return encoder.forward(cat([first, later], 1), pass).select(1, 0);
      },
    };
    const head = sequential({ head: linear(size, numClasses, { zeroBias: true }) });
    return network({ features, fc: head }, { features: "", fc: "heads" });
  },
});

/** Adds the table of positions, runs the blocks, normalizes: `[N, T, D]` -> the same. */
function positioned(grid: readonly [number, number], size: number, drop: Module, blocks: Module): Module {
  const tokens = grid[0] * grid[1] + 1;
  const table = parameter([1, tokens, size]);
  const last = layerNorm(size);
  return {
    products: () => 0,
    children: { layers: blocks, ln: last },
    parameters: { pos_embedding: table },
    grids: { pos_embedding: grid },
    buffers: {},
    reset: (rng: Rng) => void table.copy_(normal([1, tokens, size], 0, 0.02, rng)),
    forward: (x, pass) => last.forward(blocks.forward(drop.forward(x.add(table), pass), pass), pass),
  };
}

interface BlockOptions {
  readonly dropout: number;
  readonly dropConnect: number;
  readonly layerScale: number;
}

/** x + attention(norm(x)), then y + dense(norm(y)). */
function block(
  size: number,
  heads: number,
  { dropout: p, dropConnect: drop, layerScale: scale }: BlockOptions,
): Module {
  const [norm1, attention, norm2] = [layerNorm(size), selfAttention(size, heads), layerNorm(size)];
  // As torchvision's list of layers, so that the names agree: 0 and 3 have weights.
  const mlp = sequential([
    linear(size, 4 * size, { glorot: true }),
    gelu(),
    dropout(p),
    linear(4 * size, size, { glorot: true }),
    dropout(p),
  ]);
  const scales = scale > 0 ? { ls_1: layerScale([size], scale), ls_2: layerScale([size], scale) } : undefined;
  const [tokens, gate] = [dropout(p), dropConnect(drop)];
  return {
    children: { ln_1: norm1, self_attention: attention, ln_2: norm2, mlp, ...scales },
    parameters: {},
    buffers: {},
    forward(x, pass) {
      const mixed = tokens.forward(attention.forward(norm1.forward(x, pass), pass), pass);
      const y = x.add(gate.forward(scales ? scales.ls_1.forward(mixed, pass) : mixed, pass));
      const dense = mlp.forward(norm2.forward(y, pass), pass);
      return y.add(gate.forward(scales ? scales.ls_2.forward(dense, pass) : dense, pass));
    },
  };
}
