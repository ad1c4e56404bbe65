// How long the server waits, for what.
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { json, type RunningServer, startServer } from "../../src/web/server.js";

const ARRIVAL = 100;
let server: RunningServer;

beforeAll(async () => {
  server = await startServer({
    port: 0,
    limits: { arrival: ARRIVAL },
    handle: async (call) => {
      const { length } = await call.body();
      await new Promise((resolve) => setTimeout(resolve, 4 * ARRIVAL));
      return json(200, { length });
    },
  });
});
afterAll(() => server.stop(100));

test("an answer may take longer than a request may take to arrive, with a body and without", async () => {
  const answers = await Promise.all([fetch(server.url), fetch(server.url, { method: "POST", body: "four" })]);
  expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual([{ length: 0 }, { length: 4 }]);
});

test("a body that does not come is not waited for", async () => {
  const socket = connect(server.port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nfo");
  await new Promise((resolve) => socket.resume().once("close", resolve));
});

test("connections that clients keep open take no place from a request", async () => {
  const one = await startServer({ port: 0, limits: { requests: 1 }, handle: () => json(200, {}) });
  const sockets = [];
  for (let i = 0; i < 20; i++) {
    const socket = connect(one.port, "127.0.0.1");
    sockets.push(socket);
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const answer = await new Promise<string>((resolve) => {
      socket.once("data", (part) => resolve(part.toString()));
      socket.once("close", () => resolve(""));
    });
    expect(answer, `connection ${i}`).toMatch(/^HTTP\/1.1 200/);
  }
  for (const socket of sockets) socket.destroy();
  await one.stop(100);
});
