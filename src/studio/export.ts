/** The latest model for elsewhere: `fewlabels export`, as its user would call it. */
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { formats } from "../export/export.js";
import { makeFolder } from "../files/write-whole.js";
import { commandLine, runCommand } from "./command.js";

export interface ExportedModel {
  readonly out: string;
  readonly command: string;
}

/** Into the studio's folder; replaces what an earlier call left there. Throws UsageError that says why it was not to be. */
export async function exportModel(folder: string, run: string, format: string): Promise<ExportedModel> {
  if (!formats.some((name) => name === format))
    throw new UsageError(`there is no format "${format}". Valid: ${formats.join(", ")}`);
  makeFolder(join(folder, "export"));
  const out = join(folder, "export", format === "onnx" ? "model.onnx" : format);
  const args = ["export", join(folder, run), "--format", format, "--out", out, "--force"];
  const { code, problem } = await runCommand([...args, "--json"]).done;
  if (code !== 0) throw new UsageError(problem || `the export ended with exit code ${code}`);
  return { out, command: commandLine(args) };
}
