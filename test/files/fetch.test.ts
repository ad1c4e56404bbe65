// Downloads go through the proxy that the environment names.
import { createServer, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, expect, it, vi } from "vitest";
import { fetchUrl } from "../../src/files/fetch.js";

const servers: Server[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return (server.address() as AddressInfo).port;
}

/** A proxy that takes every host for our own server, and what it was asked for. */
async function proxyTo(port: number) {
  const asked: string[] = [];
  const server = createServer((from, to) => {
    asked.push(`GET ${from.url}`);
    from.pipe(request({ port, path: new URL(from.url!).pathname, headers: from.headers }, (answer) => answer.pipe(to)));
  });
  server.on("connect", ({ url }, client) => {
    asked.push(`CONNECT ${url}`);
    const there = connect(port, "127.0.0.1", () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    there.pipe(client).pipe(there);
    client.on("error", () => there.destroy());
    there.on("error", () => client.destroy());
  });
  return { address: `http://127.0.0.1:${await listen(server)}`, asked };
}

it("asks the proxy for hosts that only it can reach, and those of NO_PROXY directly", async () => {
  const port = await listen(createServer((from, to) => to.end(`content of ${from.url}`)));
  const { address, asked } = await proxyTo(port);
  vi.stubEnv("http_proxy", address);
  vi.stubEnv("https_proxy", address);
  vi.stubEnv("no_proxy", "127.0.0.1");
  const there = await fetchUrl("http://data.example.invalid/file.bin");
  expect(await there.text()).toBe("content of /file.bin");
  expect(asked).toHaveLength(1);
  expect(asked[0]).toContain("data.example.invalid");
  const direct = await fetchUrl(`http://127.0.0.1:${port}/near`, { headers: { range: "bytes=0-" } });
  expect(await direct.text()).toBe("content of /near");
  expect(asked).toHaveLength(1);
});

it("names a proxy that does not answer", async () => {
  vi.stubEnv("HTTP_PROXY", "http://127.0.0.1:1");
  vi.stubEnv("no_proxy", "");
  const error = await fetchUrl("http://data.example.invalid/").catch((reason: unknown) => reason);
  expect(String((error as Error).cause)).toMatch(/ECONNREFUSED 127\.0\.0\.1:1/);
});
