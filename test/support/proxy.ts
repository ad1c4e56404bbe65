/** A proxy that takes every host for a server of the test. */
import { createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { onTestFinished } from "vitest";

/** Of the server at `port`; `asked`: "GET http://..." or, of a tunnel, "CONNECT host:80". */
export async function proxyTo(port: number): Promise<{ readonly address: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((from, to) => {
    const { method, url, headers } = from;
    asked.push(`${method} ${url}`);
    const path = new URL(url!).pathname;
    from.pipe(
      request({ port, path, method, headers }, (answer) =>
        answer.pipe(to.writeHead(answer.statusCode!, answer.headers)),
      ),
    );
  });
  server.on("connect", ({ url }, client) => {
    asked.push(`CONNECT ${url}`);
    const there = connect(port, "127.0.0.1", () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    there.pipe(client).pipe(there);
    client.on("error", () => there.destroy());
    there.on("error", () => client.destroy());
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
