/** `fewlabels data preview`: a contact sheet of what the network sees. */
import { EngineError } from "../../../errors.js";
import { writeWhole } from "../../../files/write-whole.js";
import { contactSheet } from "../../../images/contact-sheet.js";
import { boolean, integer, required, text } from "../../../options.js";
import { type Preview, previewRun } from "../../../session/look/preview.js";
import { defineCommand, optionalArgument } from "../../command.js";
import { makePlaces, print, printError } from "../../output.js";
import { configOf } from "../../run-config.js";

export const dataPreview = defineCommand({
  name: "data preview",
  summary: "a picture of what the network sees",
  description: "Write a contact sheet: pictures as they are, as evaluation sees them, and in their augmented views.",
  arguments: {
    config: optionalArgument("YAML file with run options, or the name of a shipped experiment; flags override it"),
  },
  options: {
    out: required(text(undefined, { value: "file", doc: "PNG file to write" })),
    images: integer(8, { min: 1, max: 200, doc: "rows: half labeled images, half unlabeled ones" }),
    draws: integer(3, { min: 1, max: 20, doc: "columns: draws of the weak view, and as many of the strong one" }),
    cell: integer(128, { min: 1, max: 1024, doc: "pixels that small pictures are enlarged to, by a whole factor" }),
    json: boolean(false, { doc: "print columns and rows as one JSON line" }),
  },
  takes: "run",
  // Options of a run that mean nothing here.
  leaveOut: ["out", "resume", "syncBatchNorm", "worldTimeout"],
  examples: [
    "fewlabels data preview --dataset digits --out views.png",
    "fewlabels data preview --dataset folder --data pictures --dataset.size 256 --weak photo --crop 224 --out views.png",
  ],
  async run({ config: file, out, images, draws, cell, json }, context) {
    const config = configOf(file, context, "allow");
    makePlaces(context.who, { out });
    const preview = await previewRun(config, {
      images,
      draws,
      catalog: context.externals.catalog,
    });
    const sheet = contactSheet(
      preview.columns,
      preview.rows.map(({ pictures }) => pictures),
      cell,
    );
    writeWhole(out, await encodePng(sheet));
    for (const remark of preview.remarks) printError(`note: ${remark}`);
    print(...(json ? [JSON.stringify(summary(out, preview))] : lines(out, preview, sheet.scale)));
  },
});

function summary(out: string, { columns, rows }: Preview) {
  return { out, columns, rows: rows.map(({ index, label }) => ({ index, label: label ?? null })) };
}

function lines(out: string, { columns, rows }: Preview, scale: number): string[] {
  const enlarged = scale > 1 ? `, enlarged ${scale} times` : "";
  return [
    `${out}: ${rows.length} rows of ${columns.length} pictures${enlarged}`,
    `columns: ${columns.join(", ")}`,
    ...rows.map(({ index, label }, i) => `row ${i + 1}: image ${index}, ${label ?? "no label"}`),
  ];
}

async function encodePng({ width, height, rgb }: ReturnType<typeof contactSheet>): Promise<Buffer> {
  const { default: sharp } = await import("sharp").catch((error: Error) => {
    throw new EngineError(`cannot load sharp, which writes PNG files: ${error.message.split("\n")[0]}. Run \`npm ci\``);
  });
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
