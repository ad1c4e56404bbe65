/** CIFAR-100, the official binary version, or the Python one; each record has a coarse and a fine label. */
import { join } from "node:path";
import type { ImageSet } from "../images/image-set.js";
import { choice } from "../options.js";
import { parseCifarBatches } from "./cifar-batches.js";
import { parseCifarRecords } from "./cifar-records.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { from, type OfficialData } from "./download/official-files.js";
import { findFile, findFolder, readDataFile } from "./download/official-folder.js";

const toronto = "https://www.cs.toronto.edu/~kriz";
/** From the authors' page. */
const official: OfficialData = {
  name: "cifar100",
  folder: "cifar-100-binary",
  labels: 10_000,
  downloads: [
    {
      ...from(toronto, "cifar-100-binary.tar.gz", 168_513_733, "03b5dce01913d631647c71ecec9e9cb8"),
      // No checksum of the members is published by the authors; the archive's guards them.
      members: [
        { name: "train.bin", bytes: 153_700_000 },
        { name: "test.bin", bytes: 30_740_000 },
      ],
    },
  ],
};

export const cifar100 = defineDataSet({
  name: "cifar100",
  summary: "50,000 + 10,000 color photos, 32x32, 100 classes (or 20 coarse ones)",
  source: "https://www.cs.toronto.edu/~kriz/cifar.html (binary or Python version)",
  needsDir: true,
  official,
  options: {
    labels: choice(["fine", "coarse"], "fine", { doc: "100 fine or 20 coarse classes" }),
  },
  async load({ dir, options }): Promise<DataSet> {
    const folder = findFolder(dir, official, ["train.bin", "test.bin", "train", "test"], ["cifar-100-python"]);
    const python = findFile(folder, "train.bin") === undefined && findFile(folder, "train") !== undefined;
    const fine = options.labels === "fine";
    const classes = fine ? fineClasses : coarseClasses;
    const read = async (name: string, count: number): Promise<ImageSet> => {
      const file = join(folder, python ? name : `${name}.bin`);
      const content = await readDataFile(file, official, python ? undefined : count * 3074);
      if (python)
        return parseCifarBatches([{ file, content }], {
          labels: fine ? "fine_labels" : "coarse_labels",
          numClasses: classes.length,
        });
      return parseCifarRecords([{ file, content }], {
        labelBytes: 2,
        labelByte: fine ? 1 : 0,
        numClasses: classes.length,
      });
    };
    return {
      name: "cifar100",
      classes,
      train: await read("train", 50_000),
      test: await read("test", 10_000),
      flip: true,
      translate: 2,
      normalize: "channel",
    };
  },
});

const words = (text: string): string[] => text.trim().split(/\s+/);

const coarseClasses = words(`
  aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
  insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
  medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
`);

const fineClasses = words(`
  apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
  caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
  forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
  mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
  possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
  sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
  willow_tree wolf woman worm
`);
