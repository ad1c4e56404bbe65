/**
 * The server behind a local page (`dashboard`, `label`): the page's files, and routes under /api. On loopback alone; what comes from
 * another origin is refused, and whoever changes something needs the token that the page was given when it was loaded.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../errors.js";
import { packagePath } from "../package.js";
import { type Call, HttpError, type Reply, type RunningServer, startServer } from "./server.js";
import { staticReply } from "./static.js";

export type Route = (call: Call) => Promise<Reply> | Reply;

export interface PageOptions {
  /** Name of its file in web/app, without ".html". */
  readonly page: string;
  /** By method and path: "GET /api/runs". A GET answers HEAD as well; anything but a GET needs the token. */
  readonly routes: Readonly<Record<string, Route>>;
  /** 0: any free one. */
  readonly port: number;
  readonly onFault?: (error: unknown) => void;
  /** Bytes of a request's body; default 1 MiB. */
  readonly maxBody?: number;
}

export interface RunningPage extends RunningServer {
  /** What the header `x-fewlabels-token` of a request that changes something must hold. */
  readonly token: string;
}

/** The page runs its own scripts and nothing else, and nobody may frame it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const guards = {
  "content-security-policy": policy,
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "x-frame-options": "DENY",
};

/** Where the built pages lie. */
export const appFolder = packagePath("dist/app");

/** Throws EngineError where the page has not been built, UsageError where the port cannot be had. */
export async function startPage(options: PageOptions): Promise<RunningPage> {
  const { page, routes, port, onFault, maxBody = 2 ** 20 } = options;
  const file = join(appFolder, `${page}.html`);
  if (!existsSync(file)) {
    throw new EngineError(`the page "${page}" has not been built: ${file} is not there. Run \`npm run setup\``);
  }
  const token = randomBytes(24).toString("base64url");

  const answer = async (call: Call): Promise<Reply> => {
    if (call.path === "/") {
      assertSameOrigin(call, "page");
      if (call.method !== "GET" && call.method !== "HEAD") throw new HttpError(405, "only GET", { allow: "GET, HEAD" });
      const html = (await readFile(file, "utf8")).replaceAll("%TOKEN%", token);
      return {
        status: 200,
        headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
        body: html,
      };
    }
    assertSameOrigin(call, "data");
    if (!call.path.startsWith("/api/")) return staticReply(appFolder, call);
    const method = call.method === "HEAD" ? "GET" : call.method;
    const route = routes[`${method} ${call.path}`];
    if (!route) {
      const others = ["GET", "POST", "PUT", "DELETE"].filter((one) => routes[`${one} ${call.path}`]);
      if (others.length > 0) throw new HttpError(405, `only ${others.join(", ")}`, { allow: others.join(", ") });
      throw new HttpError(404, `there is no ${call.path}`);
    }
    if (method !== "GET") assertToken(call, token);
    return route(call);
  };
  const server = await startServer({
    port,
    limits: { body: maxBody, requests: 64 },
    ...(onFault && { onFault }),
    handle: async (call) => {
      const reply = await answer(call);
      return { ...reply, headers: { ...guards, ...reply.headers } };
    },
  });
  return Object.defineProperties(
    { token, url: server.url, port: server.port, busy: 0, stop: server.stop },
    { busy: { get: () => server.busy } },
  );
}

/**
 * Browsers say where a request comes from. A link may lead to the page itself from anywhere; everything else is asked for by the page
 * alone. Programs that are no browsers send neither header.
 */
function assertSameOrigin({ headers }: Call, what: "page" | "data"): void {
  const { origin, host } = headers;
  const site = headers["sec-fetch-site"];
  const link = what === "page" && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  const foreign = site !== undefined && site !== "same-origin" && site !== "none" && !link;
  if (foreign || (origin !== undefined && origin !== `http://${host}`)) {
    throw new HttpError(403, "asked by another page than this server's own");
  }
}

function assertToken({ headers }: Call, token: string): void {
  const given = Buffer.from(String(headers["x-fewlabels-token"] ?? ""));
  const expected = Buffer.from(token);
  if (given.length === expected.length && timingSafeEqual(given, expected)) return;
  throw new HttpError(403, "the token is missing or another server's: load the page again");
}
