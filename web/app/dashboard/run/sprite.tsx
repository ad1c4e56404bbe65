/** One cell of a sheet of pictures. */
import type { Sheet } from "../../../../src/web/dashboard/api.js";
import { address } from "../../shared/server.js";

export interface SpriteProps {
  readonly run: string;
  readonly name: "pictures" | "views";
  readonly sheet: Sheet;
  readonly cell: number;
  /** Cells in the sheet. */
  readonly count: number;
  /** Pixels on the screen. */
  readonly size: number;
  readonly label: string;
}

export function Sprite({ run, name, sheet, cell, count, size, label }: SpriteProps) {
  const scale = size / Math.max(sheet.width, sheet.height);
  const [left, top] = [(cell % sheet.columns) * sheet.width, Math.floor(cell / sheet.columns) * sheet.height];
  const rows = Math.ceil(count / sheet.columns);
  return (
    <span
      class="sprite"
      role="img"
      aria-label={label}
      style={{
        width: `${sheet.width * scale}px`,
        height: `${sheet.height * scale}px`,
        backgroundImage: `url("${address("/api/seen/sheet", { run, sheet: name })}")`,
        backgroundPosition: `${-left * scale}px ${-top * scale}px`,
        backgroundSize: `${sheet.columns * sheet.width * scale}px ${rows * sheet.height * scale}px`,
      }}
    />
  );
}
