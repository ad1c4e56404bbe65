/** `fetch` that goes through the proxy the environment names, as curl, npm and pip do; Node's own does not before version 24. */

const names = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];

/** Asks for `url`: through `HTTPS_PROXY` or `HTTP_PROXY` where they are set and `NO_PROXY` does not name the host. */
export async function fetchUrl(url: string, init: RequestInit = {}): Promise<Response> {
  if (!names.some((name) => process.env[name])) return fetch(url, init);
  // Loaded only where it is needed; from then on every fetch of the process goes that way.
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await import("undici");
  setGlobalDispatcher(new EnvHttpProxyAgent());
  return fetch(url, init);
}
