// `getWeights` asks the proxy that the environment names for everything, the size too.
import { createHash } from "node:crypto";
import { expect, test, vi } from "vitest";
import { getWeights } from "../../src/pretrained/cache.js";
import { officialWeights } from "../../src/pretrained/official-weights.js";
import { serve, temporaryFolder } from "../setup/helpers.js";
import { proxyTo } from "../support/proxy.js";

const content = Buffer.from("weights");
const sha256 = createHash("sha256").update(content).digest("hex");

test("weights come from a host that only the proxy can reach", async () => {
  const methods: unknown[] = [];
  const server = await serve(({ method }, response) => {
    methods.push(method);
    response.writeHead(200, { "content-length": content.length });
    response.end(method === "HEAD" ? undefined : content);
  });
  const { address, asked } = await proxyTo(Number(new URL(server).port));
  vi.stubEnv("http_proxy", address);
  vi.stubEnv("no_proxy", "");
  try {
    const mine = { ...officialWeights[0]!, name: "mine", url: "http://weights.example.invalid/net.pth", sha256 };
    const got = await getWeights(mine, { folder: temporaryFolder() });
    expect(got).toMatchObject({ sha256, fetched: true });
    expect(methods).toEqual(["HEAD", "GET"]);
    expect(asked[0]).toContain("weights.example.invalid");
  } finally {
    vi.unstubAllEnvs();
  }
});
