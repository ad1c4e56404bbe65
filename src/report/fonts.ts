/** Whether letters can be drawn here: an SVG has its reader's fonts, a PNG those of the machine that makes it. Small containers have none. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { homeFolder } from "../package.js";

/** Where Linux keeps fonts. */
const folders = ["/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/texmf/fonts"];
/** And, below the home folder, a user's own. */
const own = [".fonts", ".local/share/fonts"];

/** What to install where there is nothing to draw letters with; undefined where there is, and on systems that always have fonts. */
export function missingFonts(
  root = "/",
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  if (platform !== "linux" || env.FONTCONFIG_FILE !== undefined || env.FONTCONFIG_PATH !== undefined) return undefined;
  const configured = existsSync(join(root, "/etc/fonts/fonts.conf"));
  const all = [...folders, ...own.map((folder) => join(homeFolder(), folder))];
  if (configured && all.some((folder) => hasFont(join(root, folder)))) return undefined;
  return "apt-get install fontconfig-config fonts-dejavu-core";
}

function hasFont(folder: string): boolean {
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).some((name) =>
    /\.(ttf|otf|ttc|pf[ab]|pcf)(\.gz)?$/i.test(name),
  );
}
