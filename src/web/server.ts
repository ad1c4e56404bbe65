/**
 * A small HTTP server on Node's own, for `serve` and the local pages: limits on bodies, time and requests at once, JSON errors, a stop
 * that lets running requests end. Plain `node:http`, because every limit here is one of its settings (docs/decisions).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import { DiskError, FewlabelsError, UsageError } from "../errors.js";

export interface Limits {
  /** Bytes of a request's body. */
  readonly body: number;
  /** Requests at once; more are told to come back. */
  readonly requests: number;
  /** Milliseconds until a request must have arrived whole. */
  readonly arrival: number;
}

export const defaultLimits: Limits = { body: 20 * 2 ** 20, requests: 32, arrival: 30_000 };

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Instead of a body: server-sent events, until the reader goes or the server stops. */
  readonly events?: (stream: EventStream) => void;
}

/** Server-sent events to one reader. */
export interface EventStream {
  /** Aborted when the reader has gone, or the server stops. */
  readonly gone: AbortSignal;
  /** Bytes that the reader has not taken yet; who sends much waits while there are many. */
  readonly waiting: number;
  /** `data` goes as JSON. Nothing happens after `gone`. */
  send(event: string, data: unknown): void;
}

/** A request as handlers see it. */
export interface Call {
  readonly method: string;
  /** Decoded, without query, beginning with "/". */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** Reads the body, once. Throws HttpError 413 where it is too long, 400 where it does not arrive. */
  body(): Promise<Uint8Array>;
}

/** An answer that is an error: the message is for whoever called. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

export interface ServerOptions {
  /** Answers a call; throws HttpError, or anything else for a 500. */
  readonly handle: (call: Call) => Promise<Reply> | Reply;
  /** Default 127.0.0.1: this machine alone. */
  readonly host?: string | undefined;
  /** 0: any free one. */
  readonly port: number;
  readonly limits?: Partial<Limits> | undefined;
  /** Told of full disks, and of faults of ours, which the caller sees as a bare 500. */
  readonly onFault?: (error: unknown) => void;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Requests being answered. */
  readonly busy: number;
  /** Takes no more requests, waits for those under way (at most `patience` milliseconds), and closes. */
  stop(patience?: number): Promise<void>;
}

export function json(status: number, content: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store", ...headers },
    body: `${JSON.stringify(content)}\n`,
  };
}

/** Connections at once, most of them idle, that are taken however few requests are answered: one too many is cut off without a word. */
const LEAST_CONNECTIONS = 1000;

/** Throws UsageError where the port cannot be had. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port, onFault = () => {} } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const loopback = host === "localhost" || host === "::1" || /^127\./.test(host);
  let [busy, stopping] = [0, false];
  const stop = new AbortController();

  const answer = async (request: IncomingMessage): Promise<Reply> => {
    if (loopback && !isLocalName(request.headers.host)) {
      throw new HttpError(421, "this server answers to localhost only");
    }
    if (stopping) throw new HttpError(503, "the server is stopping", { "retry-after": "5" });
    if (busy > limits.requests) throw new HttpError(503, "too many requests at once", { "retry-after": "1" });
    return options.handle(callOf(request, limits));
  };
  const server = createServer({
    connectionsCheckingInterval: 1000,
    requestTimeout: limits.arrival,
    headersTimeout: Math.min(limits.arrival, 10_000),
  });
  server.on("request", (request, response) => {
    busy++;
    const { socket } = request;
    // Nothing moves on a socket while its answer is being made.
    const arrived = () => socket.setTimeout(0);
    const { "content-length": length = "0", "transfer-encoding": coding } = request.headers;
    if (length === "0" && coding === undefined) arrived();
    else request.once("end", arrived);
    void answer(request)
      .catch((error: unknown) => replyOf(error, onFault))
      .finally(() => {
        request.off("end", arrived);
        socket.setTimeout(server.timeout);
      })
      .then((reply) =>
        reply.events
          ? sendEvents(response, reply.events, reply.headers, stop.signal)
          : send(request, response, reply, stopping),
      )
      .finally(() => busy--);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) return socket.destroy();
    const status =
      error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "408 Request Timeout"
        : error.code === "HPE_HEADER_OVERFLOW"
          ? "431 Request Header Fields Too Large"
          : "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  server.timeout = 2 * limits.arrival; // sockets on which nothing moves, such as clients that do not read
  server.keepAliveTimeout = 5000;
  server.maxConnections = Math.max(LEAST_CONNECTIONS, 8 * limits.requests);

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const busyPort = error.code === "EADDRINUSE" ? "another program has it. Give another --port" : error.message;
      reject(new UsageError(`cannot listen on ${host} port ${port}: ${busyPort}`));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${address.port}/`,
    port: address.port,
    get busy() {
      return busy;
    },
    stop: (patience = 10_000) => {
      stopping = true;
      stop.abort();
      return new Promise<void>((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), patience);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      });
    },
  };
}

/** Guards a server on loopback against pages that have their own name point to it. */
function isLocalName(host: string | undefined): boolean {
  const name = (host ?? "").replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || name === "[::1]" || /^127(\.\d+){3}$/.test(name);
}

function callOf(request: IncomingMessage, limits: Limits): Call {
  let url: URL;
  let path: string;
  try {
    url = new URL(request.url ?? "/", "http://localhost");
    path = decodeURIComponent(url.pathname);
  } catch {
    throw new HttpError(400, "the address cannot be read");
  }
  return {
    method: request.method ?? "GET",
    path,
    query: url.searchParams,
    headers: request.headers,
    body: () => readBody(request, limits.body),
  };
}

async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  const tooLong = () => new HttpError(413, `the body may have ${limit} bytes at the most`, { connection: "close" });
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLong();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of request as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > limit) throw tooLong();
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, "the body did not arrive", { connection: "close" });
  }
  return Buffer.concat(parts, length);
}

function replyOf(error: unknown, onFault: (error: unknown) => void): Reply {
  if (error instanceof HttpError) return json(error.status, { error: error.message }, error.headers);
  if (error instanceof FewlabelsError && error.exitCode !== 1) return json(422, { error: error.message });
  onFault(error);
  if (error instanceof DiskError) return json(507, { error: error.message });
  return json(500, { error: "the server has a fault; see its log" });
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers = {}, body = "" }: Reply,
  stopping: boolean,
): void {
  if (response.destroyed) return;
  const content = typeof body === "string" ? Buffer.from(body) : body;
  // What has not been read of the body is in the way of the next request.
  const unread = !request.complete;
  response.writeHead(status, {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-length": String(content.length),
    ...(stopping || unread ? { connection: "close" } : {}),
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : content);
  if (unread) response.once("finish", () => setTimeout(() => request.destroy(), 500).unref());
}

/** A line now and then, so that neither side takes a quiet stream for a dead one. */
const HEARTBEAT_MS = 15_000;

function sendEvents(
  response: ServerResponse,
  produce: (stream: EventStream) => void,
  headers: Readonly<Record<string, string>> = {},
  stop: AbortSignal,
): void {
  if (response.destroyed) return;
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    ...headers,
  });
  const gone = new AbortController();
  const beat = setInterval(() => response.write(":\n\n"), HEARTBEAT_MS);
  const end = () => {
    if (gone.signal.aborted) return;
    clearInterval(beat);
    stop.removeEventListener("abort", end);
    gone.abort();
    response.end();
  };
  response.once("close", end);
  if (stop.aborted) {
    end();
    return;
  }
  stop.addEventListener("abort", end);
  response.write(":\n\n");
  produce({
    gone: gone.signal,
    get waiting() {
      return response.writableLength;
    },
    send(event, data) {
      if (!gone.signal.aborted) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    },
  });
}
