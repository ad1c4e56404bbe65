/**
 * Pretrained weights by name: where their makers publish them, and what they ask of pictures. Accuracies are the makers', top 1 on
 * ImageNet in percent. torchvision writes the first eight hex digits of the SHA-256 into a file's name; of files on the Hugging Face hub
 * the checksum is asked for at download time, and is then kept beside the file.
 */

export interface OfficialWeights {
  readonly name: string;
  /** As `--model` takes it. */
  readonly model: string;
  readonly url: string;
  /** In hex, the first digits of it; absent where the hub says it. */
  readonly sha256?: string;
  /** About, in MB. */
  readonly megabytes: number;
  readonly licence: string;
  /** Top 1 on ImageNet; of `dinov2`, which has no head: of a linear layer on its features. */
  readonly accuracy: number;
  /** Side of the pictures. */
  readonly size: number;
  /** Of the short side before the center is cut out. */
  readonly resize: number;
  readonly normalize: "imagenet";
  readonly interpolation: "bilinear" | "bicubic";
}

type Facts = [name: string, model: string, file: string, megabytes: number, accuracy: number, resize: number];

const torchvision: readonly Facts[] = [
  ["resnet-18.tv1", "resnet-18", "resnet18-f37072fd.pth", 44.7, 69.758, 256],
  ["resnet-34.tv1", "resnet-34", "resnet34-b627a593.pth", 83.3, 73.314, 256],
  ["resnet-50.tv1", "resnet-50", "resnet50-0676ba61.pth", 97.8, 76.13, 256],
  ["resnet-50.tv2", "resnet-50", "resnet50-11ad3fa6.pth", 97.8, 80.858, 232],
  ["resnet-101.tv1", "resnet-101", "resnet101-63fe2227.pth", 170.5, 77.374, 256],
  ["resnet-101.tv2", "resnet-101", "resnet101-cd907fc2.pth", 170.5, 81.886, 232],
  ["resnet-152.tv1", "resnet-152", "resnet152-394f9c45.pth", 230.4, 78.312, 256],
  ["resnet-152.tv2", "resnet-152", "resnet152-f82ba261.pth", 230.5, 82.284, 232],
  ["resnext-50.tv1", "resnext-50", "resnext50_32x4d-7cdf4587.pth", 95.8, 77.618, 256],
  ["resnext-50.tv2", "resnext-50", "resnext50_32x4d-1a0047aa.pth", 95.8, 81.198, 232],
  ["mobilenet-v2.tv1", "mobilenet-v2", "mobilenet_v2-b0353104.pth", 13.6, 71.878, 256],
  ["mobilenet-v2.tv2", "mobilenet-v2", "mobilenet_v2-7ebf99e0.pth", 13.6, 72.154, 232],
  ["mobilenet-v3-large.tv1", "mobilenet-v3-large", "mobilenet_v3_large-8738ca79.pth", 21.1, 74.042, 256],
  ["mobilenet-v3-large.tv2", "mobilenet-v3-large", "mobilenet_v3_large-5c1a4163.pth", 21.1, 75.274, 232],
  ["mobilenet-v3-small.tv1", "mobilenet-v3-small", "mobilenet_v3_small-047dcff4.pth", 9.8, 67.668, 256],
  ["convnext-tiny.tv1", "convnext-tiny", "convnext_tiny-983f1562.pth", 109.1, 82.52, 236],
  ["vit-b16.tv1", "vit-b16", "vit_b_16-c867db91.pth", 330.3, 81.072, 256],
];

const imagenet = { size: 224, normalize: "imagenet" } as const;

export const officialWeights: readonly OfficialWeights[] = [
  ...torchvision.map(([name, model, file, megabytes, accuracy, resize]) => ({
    name,
    model,
    url: `https://download.pytorch.org/models/${file}`,
    sha256: /-([0-9a-f]{8})\.pth$/.exec(file)![1]!,
    megabytes,
    licence: "BSD-3-Clause (torchvision)",
    accuracy,
    resize,
    interpolation: "bilinear" as const,
    ...imagenet,
  })),
  {
    name: "efficientnet-b0.tv1",
    model: "efficientnet-b0",
    url: "https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth",
    sha256: "7f5810bc",
    megabytes: 20.5,
    licence: "BSD-3-Clause (torchvision), trained by R. Wightman",
    accuracy: 77.692,
    resize: 256,
    interpolation: "bicubic",
    ...imagenet,
  },
  {
    name: "dinov2-s14",
    model: "vit-s14",
    url: "https://huggingface.co/timm/vit_small_patch14_dinov2.lvd142m/resolve/main/model.safetensors",
    megabytes: 88.2,
    licence: "Apache-2.0 (Meta; repackaged by timm)",
    accuracy: 81.1,
    resize: 256,
    interpolation: "bicubic",
    ...imagenet,
  },
];
