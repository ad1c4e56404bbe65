// Builds every page of this folder (a .html file each) into dist/app; `npx vite web/app` serves them while they are worked on, with
// /api from a `fewlabels dashboard` or `fewlabels label` on port 8090 (FEWLABELS_API says another address).
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));
const api = process.env.FEWLABELS_API ?? "http://127.0.0.1:8090";

export default defineConfig({
  root: here,
  base: "/",
  // "@preact/preset-vite" does no more for a build than these three lines.
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "/api": { target: api, changeOrigin: true, headers: { origin: api } } } },
  build: {
    outDir: "../../dist/app",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: readdirSync(here)
        .filter((name) => name.endsWith(".html"))
        .map((name) => `${here}${name}`),
    },
  },
});
