// A web server around a trained run, with Hono: POST a picture to /, get its class.
//   node hono-server.mjs RUN [PORT]
import { serve } from "@hono/node-server";
import { DataError, openPredictor } from "fewlabels";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";

const [run = "runs/mine", port = "8080"] = process.argv.slice(2);
const predictor = await openPredictor(run);

const app = new Hono();
app.post("/", bodyLimit({ maxSize: 20 * 1024 * 1024 }), async (c) => {
  const bytes = new Uint8Array(await c.req.arrayBuffer());
  try {
    const { class: name, probability } = await predictor.classify(bytes);
    return c.json({ class: name, probability });
  } catch (error) {
    if (error instanceof DataError) return c.json({ error: error.message }, 422); // no picture, or a damaged one
    throw error;
  }
});

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(port) }, ({ port: own }) =>
  console.log(`http://127.0.0.1:${own}/`),
);
