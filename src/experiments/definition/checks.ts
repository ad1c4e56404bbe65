/** What no key alone tells: names that other parts refer to, and folders. */
import { UsageError, unknownName } from "../../errors.js";
import { type Definition, fileName } from "./definition.js";

/** A run that starts from another's predictions has that one, at every scale; no two rows or columns share a folder. */
export function checkRuns({ file, rows, columns, skip }: Definition): void {
  for (const [kind, lines] of Object.entries({ rows, columns })) {
    const folders = new Map<string, string>();
    for (const { name } of lines) {
      const [folder, shown] = [fileName(name), JSON.stringify(name)];
      const other = folders.get(folder);
      folders.set(folder, shown);
      if (other === undefined) continue;
      throw new UsageError(
        `${file}: ${kind}: expected names that differ in their folders, got ${other} and ${shown}, both ${folder}. Rename one`,
      );
    }
  }
  for (const row of rows) {
    const source = rows.find(({ name }) => name === row.predictionsOf);
    for (const column of source ? columns : []) {
      const [own, needed] = [`${row.name}/${column.name}`, `${source!.name}/${column.name}`];
      if (column.runsOf !== undefined || skip.includes(own)) continue;
      const elsewhere = source!.onlyAt !== undefined && ![row.onlyAt, column.onlyAt].includes(source!.onlyAt);
      if (!skip.includes(needed) && !elsewhere) continue;
      const why = elsewhere ? `exists at scale ${source!.onlyAt} only` : "is skipped";
      throw new UsageError(
        `${file}: rows.${row.name}.predictionsOf: ${own} starts from the predictions of ${needed}, which ${why}. Leave ${own} out too, or name another row`,
      );
    }
  }
}

/** Every name that another part refers to exists. */
export function checkNames({ file, rows, columns, claims, cells, skip, published }: Definition): void {
  const known = { row: rows.map(({ name }) => name), column: columns.map(({ name }) => name) };
  const check = (kind: "row" | "column", name: string, where: string) => {
    if (!known[kind].includes(name)) throw new UsageError(unknownName(`${file}: ${where}`, kind, name, known[kind]));
  };
  for (const { better, worse, columns: where = [] } of claims) {
    for (const side of [better, worse]) {
      const [row = "", column] = side.split("/");
      check("row", row, "claims");
      if (column !== undefined) check("column", column, "claims");
    }
    for (const column of where) check("column", column, "claims");
  }
  for (const key of [...Object.keys(cells), ...skip]) {
    const [row = "", column = ""] = key.split("/");
    check("row", row, key in cells ? "cells" : "skip");
    check("column", column, key in cells ? "cells" : "skip");
  }
  for (const { predictionsOf } of rows) if (predictionsOf) check("row", predictionsOf, "predictionsOf");
  for (const { runsOf } of columns) if (runsOf !== undefined) check("column", runsOf, "runsOf");
  for (const { column } of published) check("column", column, "published");
}
