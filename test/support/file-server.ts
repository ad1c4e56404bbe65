/** A file server on loopback that resumes as real ones do, and misbehaves as real ones do, request by request. */
import type { ServerResponse } from "node:http";
import { serve } from "../setup/helpers.js";

export interface Fault {
  /** Close the connection after so many bytes. */
  readonly cutAfter?: number;
  /** Say nothing any more after so many bytes. */
  readonly stallAfter?: number;
  /** Send the whole file whatever was asked for. */
  readonly ignoreRange?: boolean;
  /** Announce this range in place of the right one. */
  readonly contentRange?: string;
  /** Answer so, without the file. */
  readonly status?: number;
  /** Serve this in place of the file. */
  readonly content?: Uint8Array;
  /** Do not announce a length. */
  readonly chunked?: boolean;
  readonly contentType?: string;
  /** Send it in so many pieces, with pauses in between. */
  readonly pieces?: number;
  readonly pauseMs?: number;
}

export interface FileServer {
  readonly url: string;
  /** `NAME` or `NAME from BYTE` for each request. */
  readonly asked: string[];
  /** Faults of the requests to come, one each; then none. */
  readonly faults: Fault[];
}

export async function serveFiles(
  files: Readonly<Record<string, Uint8Array>>,
  faults: readonly Fault[] = [],
): Promise<FileServer> {
  const asked: string[] = [];
  const queue = [...faults];
  const url = await serve((request, response) => {
    const name = request.url?.split("/").at(-1) ?? "";
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    asked.push(from > 0 ? `${name} from ${from}` : name);
    const fault = queue.shift() ?? {};
    const content = fault.content ?? files[name];
    if (fault.status !== undefined || !content) response.writeHead(fault.status ?? 404).end();
    else answer(response, content, fault.ignoreRange ? 0 : from, fault);
  });
  return { url, asked, faults: queue };
}

function answer(response: ServerResponse, content: Uint8Array, from: number, fault: Fault): void {
  if (from >= content.length) {
    response.writeHead(416).end();
    return;
  }
  const range = fault.contentRange ?? `bytes ${from}-${content.length - 1}/${content.length}`;
  response.writeHead(from > 0 ? 206 : 200, {
    ...(fault.chunked ? {} : { "content-length": content.length - from }),
    ...(from > 0 ? { "content-range": range } : {}),
    ...(fault.contentType ? { "content-type": fault.contentType } : {}),
  });
  const { cutAfter, stallAfter } = fault;
  const some = cutAfter ?? stallAfter;
  if (fault.pieces !== undefined) dribble(response, content.subarray(from), fault.pieces, fault.pauseMs ?? 0);
  else if (some === undefined) response.end(content.subarray(from));
  else response.write(content.subarray(from, from + some), () => cutAfter !== undefined && cut(response));
}

/** Not at once: a client that finds the end before it has read what came may throw both away (Node 22's fetch does). */
function cut(response: ServerResponse): void {
  setTimeout(() => response.socket?.end(), 100);
}

function dribble(response: ServerResponse, rest: Uint8Array, pieces: number, pauseMs: number): void {
  const length = Math.ceil(rest.length / pieces);
  response.write(rest.subarray(0, length));
  if (pieces <= 1) response.end();
  else setTimeout(() => dribble(response, rest.subarray(length), pieces - 1, pauseMs), pauseMs);
}
