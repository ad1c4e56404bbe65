/** One HTML page without scripts or outside files: text, tables and plots. */
import type { Figure } from "./plot.js";

/** A part of a page, from top to bottom. */
export type Section =
  | { readonly kind: "text"; readonly lines: readonly string[] }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "warning"; readonly lines: readonly string[] }
  /** The first row is the head. */
  | { readonly kind: "table"; readonly rows: readonly (readonly string[])[] }
  | { readonly kind: "figure"; readonly figure: Figure; readonly caption?: string }
  | { readonly kind: "heading"; readonly text: string }
  /** To be copied as it is. */
  | { readonly kind: "code"; readonly text: string }
  /** Pictures with lines below; those of a group stay together. `src`: a data URI, undefined where there is none. */
  | {
      readonly kind: "pictures";
      readonly side: number;
      readonly groups: readonly (readonly { readonly src: string | undefined; readonly lines: readonly string[] }[])[];
    };

const style = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
  table { border-collapse: collapse; font-size: 14px; } th, td { padding: .3rem .8rem; border-bottom: 1px solid #ccc; text-align: right; }
  th:first-child, td:first-child { text-align: left; } .wide { overflow-x: auto; }
  figure { margin: 1.5rem 0; overflow-x: auto; } figcaption { color: #555; font-size: 14px; } svg { max-width: 100%; height: auto; }
  pre { font-size: 14px; white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .6rem; }
  .pictures { display: flex; flex-wrap: wrap; gap: .8rem; font-size: 12px; line-height: 1.3; }
  .pictures > div { display: flex; gap: .3rem; border: 1px solid #ddd; padding: .3rem; } .pictures img { display: block; background: #eee; }
  .pictures span { display: block; overflow-wrap: anywhere; }
  .warning { border-left: 4px solid #e69f00; padding-left: .8rem; }`;

export function htmlPage(title: string, sections: readonly Section[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${style}
</style>
<h1>${escapeHtml(title)}</h1>
${sections.map(sectionHtml).join("\n")}
</html>
`;
}

function sectionHtml(section: Section): string {
  const paragraphs = (lines: readonly string[]) => lines.map((line) => `<p>${escapeHtml(line)}</p>`).join("\n");
  switch (section.kind) {
    case "heading":
      return `<h2>${escapeHtml(section.text)}</h2>`;
    case "code":
      return `<pre>${escapeHtml(section.text)}</pre>`;
    case "text":
      return paragraphs(section.lines);
    case "warning":
      return `<div class="warning">${paragraphs(section.lines)}</div>`;
    case "list":
      return `<ul>${section.items.map((item) => `<li>${escapeHtml(item)}</li>`).join("\n")}</ul>`;
    case "pictures": {
      const { side, groups } = section;
      const one = ({ src, lines }: (typeof groups)[number][number]) =>
        `<div style="width: ${side}px">${src === undefined ? "" : `<img src="${escapeHtml(src)}" width="${side}" height="${side}" alt="" loading="lazy">`}${lines.map((line) => `<span>${escapeHtml(line)}</span>`).join("")}</div>`;
      return `<div class="pictures">\n${groups.map((group) => `<div>${group.map(one).join("")}</div>`).join("\n")}\n</div>`;
    }
    case "table": {
      const [head = [], ...body] = section.rows;
      const row = (cells: readonly string[], tag: string) =>
        `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
      return `<div class="wide"><table>\n${row(head, "th")}\n${body.map((cells) => row(cells, "td")).join("\n")}\n</table></div>`;
    }
    case "figure": {
      const caption = [section.figure.title, section.caption].filter(Boolean).join(". ");
      return `<figure>\n${section.figure.svg}\n<figcaption>${escapeHtml(caption)}</figcaption>\n</figure>`;
    }
  }
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
