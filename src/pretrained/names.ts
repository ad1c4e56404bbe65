/** What published weights call their tensors, put into the names of our networks (torchvision's). */
import type { RawTensor } from "../files/safetensors.js";

type Tensors = Map<string, RawTensor>;

/** [what a name must contain somewhere, replacements in order]; a replacement by nothing drops the tensor. */
interface Dialect {
  readonly what: string;
  readonly sign: string;
  readonly rules: readonly (readonly [RegExp, string | null])[];
  /** Names (ours) whose tensor `[C]` becomes `[C, 1, 1]`. */
  readonly columns?: RegExp;
}

const dialects: readonly Dialect[] = [
  {
    what: "timm's or DINOv2's vision transformer",
    sign: "blocks.0.attn.qkv.weight",
    rules: [
      [/^mask_token$/, null],
      [/^cls_token$/, "class_token"],
      [/^pos_embed$/, "encoder.pos_embedding"],
      [/^patch_embed\.proj\./, "conv_proj."],
      [/^norm\./, "encoder.ln."],
      [/^head\./, "heads.head."],
      [/^blocks\.(\d+)\./, "encoder.layers.encoder_layer_$1."],
      [/\.norm([12])\./, ".ln_$1."],
      [/\.attn\.qkv\./, ".self_attention.in_proj_"],
      [/\.attn\.proj\./, ".self_attention.out_proj."],
      [/\.mlp\.fc1\./, ".mlp.0."],
      [/\.mlp\.fc2\./, ".mlp.3."],
      [/\.ls([12])\.gamma$/, ".ls_$1.gamma"],
    ],
  },
  {
    what: "torchvision's vision transformer of before 0.13",
    sign: "encoder.layers.encoder_layer_0.mlp.linear_1.weight",
    rules: [
      [/\.mlp\.linear_1\./, ".mlp.0."],
      [/\.mlp\.linear_2\./, ".mlp.3."],
    ],
  },
  {
    what: "timm's ConvNeXt",
    sign: "stages.0.blocks.0.conv_dw.weight",
    rules: [
      [/^stem\.([01])\./, "features.0.$1."],
      [/^head\.norm\./, "classifier.0."],
      [/^head\.fc\./, "classifier.2."],
      [/^stages\.0\./, "features.1."],
      [/^stages\.1\.downsample\./, "features.2."],
      [/^stages\.2\.downsample\./, "features.4."],
      [/^stages\.3\.downsample\./, "features.6."],
      [/^stages\.1\./, "features.3."],
      [/^stages\.2\./, "features.5."],
      [/^stages\.3\./, "features.7."],
      [/\.blocks\.(\d+)\./, ".$1."],
      [/\.conv_dw\./, ".block.0."],
      [/\.norm\./, ".block.2."],
      [/\.mlp\.fc1\./, ".block.3."],
      [/\.mlp\.fc2\./, ".block.5."],
      [/\.gamma$/, ".layer_scale"],
    ],
    columns: /\.layer_scale$/,
  },
];

/** The tensors under our names; those of unknown kind as they were. */
export function inOurNames(tensors: Tensors): Tensors {
  const dialect = dialects.find(({ sign }) => tensors.has(sign));
  const kept = [...tensors].filter(([name]) => !name.endsWith("num_batches_tracked"));
  if (!dialect) return new Map(kept);
  return new Map(
    kept.flatMap(([name, value]): [string, RawTensor][] => {
      let renamed: string | null = name;
      for (const [from, to] of dialect.rules) {
        if (!from.test(renamed)) continue;
        if (to === null) return [];
        renamed = renamed.replace(from, to);
      }
      const column = dialect.columns?.test(renamed) && value.shape.length === 1;
      return [[renamed, column ? { ...value, shape: [...value.shape, 1, 1] } : value]];
    }),
  );
}
