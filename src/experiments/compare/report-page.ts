/** A comparison as a page. */
import { join } from "node:path";
import { writeWhole } from "../../files/write-whole.js";
import { dotFigure } from "../../report/figures.js";
import { htmlPage, type Section } from "../../report/page.js";
import type { Comparison } from "./compare.js";
import { sharedBy } from "./recommend.js";
import { compareRows, leftOutLines, notesOf } from "./report.js";

/** `report.html` and `results.json` in the folder of the comparison; the path of the page. */
export function writeComparison(out: string, comparison: Comparison, command: string | undefined): string {
  const { ranking, leftOut, results } = comparison;
  const dots = ranking.rows.map(({ label, errors }) => ({ row: label, column: "held-out folds", values: errors }));
  const { recommendation } = ranking;
  const label = (method: string) => ranking.rows.find((row) => row.method === method)?.label ?? method;
  const sections: Section[] = [
    ...(recommendation
      ? [
          { kind: "heading", text: `Recommended: ${label(recommendation.method)}` } as const,
          { kind: "text", lines: [`${capital(recommendation.reason)}.`, "Trained on everything:"] } as const,
          { kind: "code", text: command ?? "" } as const,
        ]
      : [{ kind: "warning", lines: ["No method has finished all folds, so none is recommended."] } as const]),
    { kind: "heading", text: "All methods" },
    { kind: "table", rows: compareRows(comparison) },
    ...(dots.length > 0
      ? [
          {
            kind: "figure",
            figure: dotFigure(
              "errors",
              "Error on the held-out folds",
              "error in %",
              dots,
              sharedBy(comparison.folds.count),
            ),
          } as const,
        ]
      : []),
    { kind: "text", lines: notesOf(comparison) },
    ...(leftOut.length > 0
      ? [{ kind: "heading", text: "Not compared" } as const, { kind: "list", items: leftOutLines(comparison) } as const]
      : []),
  ];
  writeWhole(join(out, "results.json"), `${JSON.stringify(results)}\n`);
  const report = join(out, "report.html");
  writeWhole(report, htmlPage("Which method for these pictures", sections));
  return report;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
