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
