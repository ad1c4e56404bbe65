/** Files of one folder over HTTP, for exported pages. */
import { readFile, realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { type Call, HttpError, type Reply } from "./server.js";

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".onnx": "application/octet-stream",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".md": "text/plain; charset=utf-8",
};

/** These let a page use threads (SharedArrayBuffer), and nothing of other origins. */
const isolation = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

/** Answers GET and HEAD with the file below `folder`; 404 where there is none, for links that lead out of it as well. */
export async function staticReply(folder: string, { method, path, headers }: Call): Promise<Reply> {
  if (method !== "GET" && method !== "HEAD") throw new HttpError(405, "only GET", { allow: "GET, HEAD" });
  const missing = new HttpError(404, `there is no ${path}`);
  if (path.includes("\0") || path.split("/").some((part) => part.startsWith("."))) throw missing;
  const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
  try {
    const [root, real] = await Promise.all([realpath(folder), realpath(file)]);
    if (!real.startsWith(root + sep)) throw missing;
    const { size, mtimeMs, isFile } = await stat(real).then((s) => ({
      size: s.size,
      mtimeMs: s.mtimeMs,
      isFile: s.isFile(),
    }));
    if (!isFile) throw missing;
    const etag = `"${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`;
    const common = { etag, "cache-control": "no-cache", ...isolation };
    if (headers["if-none-match"] === etag) return { status: 304, headers: common };
    const type = types[extname(real)] ?? "application/octet-stream";
    return { status: 200, headers: { "content-type": type, ...common }, body: await readFile(real) };
  } catch {
    throw missing;
  }
}
