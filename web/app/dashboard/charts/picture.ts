/** A chart as a PNG that can be understood alone: title, plot, and which line is which. */
import type uPlot from "uplot";
import type { Line } from "./chart.js";

export async function pictureOf(plot: uPlot, title: string, lines: readonly Line[], dark: boolean): Promise<Blob> {
  const source = plot.ctx.canvas;
  const unit = source.width / plot.width;
  const [row, head, shown] = [18 * unit, 30 * unit, lines.slice(0, 40)];
  const canvas = document.createElement("canvas");
  canvas.width = source.width;
  canvas.height = source.height + head + row * shown.length + 8 * unit;
  const context = canvas.getContext("2d")!;
  context.fillStyle = dark ? "#1e2125" : "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const ink = dark ? "#e8e8e6" : "#1b1d1f";
  context.fillStyle = ink;
  context.font = `600 ${14 * unit}px system-ui, sans-serif`;
  context.fillText(title, 10 * unit, 20 * unit);
  context.drawImage(source, 0, head);
  context.font = `${12 * unit}px system-ui, sans-serif`;
  shown.forEach(({ run, name, color, dash }, i) => {
    const y = head + source.height + row * (i + 0.5);
    context.strokeStyle = color;
    context.lineWidth = 2 * unit;
    context.setLineDash(dash.map((length) => length * unit));
    context.beginPath();
    context.moveTo(10 * unit, y);
    context.lineTo(40 * unit, y);
    context.stroke();
    context.fillStyle = ink;
    context.fillText(`${run}  ${name}`.slice(0, 120), 48 * unit, y + 4 * unit);
  });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser made no picture"))), "image/png");
  });
}
