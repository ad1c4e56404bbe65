/** What an experiment leaves beside its runs: results.json, table.csv, report.html, plots/. */

import { join } from "node:path";
import { makeFolder, writeWhole } from "../files/write-whole.js";
import { htmlPage, type Section } from "../report/page.js";
import type { Figure } from "../report/plot.js";
import { writeFigures } from "../report/write.js";
import { figuresOf } from "./figures.js";
import type { Plan } from "./plan.js";
import { regionsOf } from "./regions.js";
import type { ExperimentResults } from "./results.js";
import type { Summary } from "./summary.js";
import { comparisonText, csvText, tableRows } from "./table.js";

export interface Written {
  readonly report: string;
  readonly figures: readonly Figure[];
}

/** `save`: a folder that also gets the results as NAME-SCALE.json. */
export async function writeOutputs(
  plan: Plan,
  results: ExperimentResults,
  summary: Summary,
  save?: string,
): Promise<Written> {
  const { definition, scale, out } = plan;
  makeFolder(out);
  const json = `${JSON.stringify(results)}\n`;
  writeWhole(join(out, "results.json"), json);
  writeWhole(join(out, "table.csv"), csvText(summary));
  if (save !== undefined) {
    makeFolder(save);
    writeWhole(join(save, `${definition.name.replaceAll("/", "-")}-${scale}.json`), json);
  }
  const regions = definition.kind === "regions" ? await regionsOf(plan) : [];
  const figures = figuresOf(definition, results, summary, regions);
  await writeFigures(join(out, "plots"), figures);
  const report = join(out, "report.html");
  writeWhole(report, htmlPage(definition.title, sectionsOf(plan, results, summary, figures)));
  return { report, figures };
}

function sectionsOf(
  { definition, scale, shrunk = "" }: Plan,
  { machine, dates, versions }: ExperimentResults,
  summary: Summary,
  figures: readonly Figure[],
): Section[] {
  const sources = [...new Set(definition.published.map(({ source }) => source))];
  const size =
    scale === "paper"
      ? "Every published hyper-parameter (scale paper)."
      : `Shrunk, every arm equally (scale small): ${shrunk}. Not the paper's numbers; what can be compared is the order.`;
  const day = (date: string) => date.slice(0, 10);
  const when =
    dates[0] === ""
      ? []
      : [
          `Run ${day(dates[0])}${day(dates[1]) === day(dates[0]) ? "" : ` to ${day(dates[1])}`} on ${machine.cores} x ${machine.cpu}, ${machine.device}; fewlabels ${versions.fewlabels ?? ""}.`,
        ];
  return [
    { kind: "text", lines: [`${definition.paper}. ${size}`, ...(definition.notes ? [definition.notes] : []), ...when] },
    ...(summary.warnings.length > 0 ? [{ kind: "warning", lines: summary.warnings } satisfies Section] : []),
    { kind: "table", rows: tableRows(summary) },
    {
      kind: "text",
      lines: [
        `Mean ± standard deviation over seeds (number of seeds).${sources.length > 0 ? ` Published: ${sources.join("; ")}. Marks: T read in the paper, C in its code, m-H, m-M, m-L recalled with high, middling, low confidence.` : ""}`,
      ],
    },
    ...figures.map((figure): Section => ({ kind: "figure", figure })),
    ...(summary.comparisons.length > 0
      ? ([
          { kind: "heading", text: "What the paper claims" },
          { kind: "list", items: summary.comparisons.map(comparisonText) },
        ] satisfies Section[])
      : []),
    ...(definition.listed.length > 0
      ? ([
          { kind: "heading", text: "Rows that cannot be run here" },
          {
            kind: "list",
            items: definition.listed.map(({ row, why, nearest }) => `${row}: ${why}. Nearest: ${nearest}`),
          },
        ] satisfies Section[])
      : []),
  ];
}
