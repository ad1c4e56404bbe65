/** Debian's Chromium under Playwright: `apt-get install chromium`. Tests that need it are skipped, and say so, where it is not. */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { describe } from "vitest";
import { enginePresent } from "./engine.js";
import { runtimeFolder } from "./runtimes.js";

/** Undefined where there is none. */
export const chromiumPath =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!chromiumPath)
  console.warn("skipping tests in a browser: no chromium; `apt-get install chromium`, or set CHROMIUM");

/** `describe`, skipped without Chromium, the engine or the runtimes. */
export const describeBrowser = describe.skipIf(!chromiumPath || !enginePresent || !runtimeFolder("onnxruntime-web"));

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath!,
    args: ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
  });
}

/** Every request of a page goes through `seen`; what is not of `origin` is refused. */
export async function watchRequests(
  page: Page,
  origin: string,
): Promise<{ readonly foreign: string[]; readonly all: string[] }> {
  const [foreign, all]: [string[], string[]] = [[], []];
  page.on("request", (request) => {
    const url = request.url();
    all.push(url);
    if (!url.startsWith(origin) && !/^(data|blob):/.test(url)) foreign.push(url);
  });
  return { foreign, all };
}

/** Drops files on the page as the mouse would. */
export async function dropFiles(
  page: Page,
  files: readonly { readonly name: string; readonly type: string; readonly bytes: Uint8Array }[],
) {
  const plain = files.map(({ name, type, bytes }) => ({ name, type, base64: Buffer.from(bytes).toString("base64") }));
  const data = await page.evaluateHandle(
    inBrowser(`
    const transfer = new DataTransfer();
    for (const { name, type, base64 } of ${JSON.stringify(plain)}) {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
    }
    return transfer;`),
  );
  await page.dispatchEvent("#drop", "drop", { dataTransfer: data });
}

/** Code for the page, as text: here there are no types for its world. */
export function inBrowser(body: string): string {
  return `(async () => { ${body} })()`;
}
