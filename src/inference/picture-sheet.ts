/** Contact sheets: one HTML file with the pictures inside. */
import { thumbnails } from "../images/thumbnail.js";
import { htmlPage, type Section } from "../report/page.js";

export interface SheetPicture {
  readonly path: string;
  /** Below the picture. */
  readonly lines: readonly string[];
}

export interface SheetPart {
  readonly title: string;
  readonly lines: readonly string[];
  /** Pictures side by side, and what belongs together in one group. */
  readonly groups: readonly (readonly SheetPicture[])[];
}

/** Pixels of a side. */
const SIDE = 112;

/** `most`: groups of a part that are shown; the page says how many it left out. */
export async function pictureSheet(title: string, parts: readonly SheetPart[], most = 200): Promise<string> {
  const sections: Section[] = [];
  for (const { title: heading, lines, groups } of parts) {
    const shown = groups.slice(0, most);
    const all = shown.flat();
    const pictures = await thumbnails(
      all.map(({ path }) => path),
      SIDE,
    );
    let at = 0;
    const items = shown.map((group) => group.map(({ lines: below }) => ({ src: pictures[at++], lines: below })));
    const rest = groups.length > most ? [`The first ${most} of ${groups.length}.`] : [];
    sections.push(
      { kind: "heading", text: `${heading} (${groups.length})` },
      { kind: "text", lines: [...lines, ...rest] },
      { kind: "pictures", groups: items, side: SIDE },
    );
  }
  return htmlPage(title, sections);
}
