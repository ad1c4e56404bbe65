// Downloads go through the proxy that the environment names.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it, vi } from "vitest";
import { fetchUrl } from "../../src/files/fetch.js";
import { proxyTo } from "../support/proxy.js";

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
