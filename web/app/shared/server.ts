/** Talking to the server this page came from. */

/** An answer that is an error; the message is the server's. */
export class ServerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** "/api/series" and what it is asked about, as an address. */
export function address(path: string, query: Readonly<Record<string, string | number>> = {}): string {
  const text = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)])).toString();
  return text === "" ? path : `${path}?${text}`;
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try {
    message = (JSON.parse(text) as { readonly error?: string }).error ?? text;
  } catch {
    // no JSON: as it came
  }
  throw new ServerError(response.status, message || `the server answered ${response.status}`);
}

export async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  return (await checked(await fetch(url, signal ? { signal } : {}))).json() as Promise<T>;
}

export async function getBytes(url: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await checked(await fetch(url, signal ? { signal } : {}))).arrayBuffer();
}

/** For whatever changes something: with the token that this page was given. */
export async function sendJson<T>(method: "POST" | "PUT" | "DELETE", url: string, content: unknown): Promise<T> {
  const token = document.querySelector<HTMLMetaElement>('meta[name="fewlabels-token"]')?.content ?? "";
  const headers = { "content-type": "application/json", "x-fewlabels-token": token };
  return (await checked(await fetch(url, { method, headers, body: JSON.stringify(content) }))).json() as Promise<T>;
}

/**
 * Server-sent events while the page is seen: a hidden tab keeps no connection, of which a browser has six for a server. Each time it
 * opens, the server begins from the start. Returns what ends it.
 */
export function listen(
  url: string,
  handlers: Readonly<Record<string, (data: unknown) => void>>,
  onState: (connected: boolean) => void = () => {},
): () => void {
  let source: EventSource | undefined;
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => onState(true);
    source.onerror = () => onState(false);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data)));
    }
  };
  const close = () => {
    source?.close();
    source = undefined;
  };
  const onVisibility = () => {
    if (document.hidden) close();
    else if (!source) open();
  };
  document.addEventListener("visibilitychange", onVisibility);
  onVisibility();
  return () => {
    document.removeEventListener("visibilitychange", onVisibility);
    close();
  };
}
