/** `fewlabels serve RUN|EXPORT`: an HTTP endpoint that classifies, or the exported page. */
import { boolean, integer, number, text } from "../../../options.js";
import { batchedClassifier } from "../../../web/classifier.js";
import { classifyRoutes } from "../../../web/classify-routes.js";
import { openJudge } from "../../../web/open-judge.js";
import { defaultLimits, startServer } from "../../../web/server.js";
import { argument, defineCommand } from "../../command.js";
import { print, tellFault } from "../../output.js";
import { predictorOptions } from "../../predictor-options.js";
import { stopSignal } from "../../signals.js";

const { role, device, threads } = predictorOptions;

export const serve = defineCommand({
  name: "serve",
  summary: "HTTP endpoint that classifies, or the exported page",
  description:
    "Answer POST /classify with what is in the picture, several at a time in one pass; show an exported page at /. On this machine alone unless told otherwise.",
  arguments: {
    path: argument("run folder, or what `fewlabels export` wrote: a .onnx file, a transformers folder, a page"),
  },
  options: {
    port: integer(8080, { min: 0, max: 65535, doc: "port to listen on; 0: any free one" }),
    host: text("127.0.0.1", {
      value: "address",
      doc: "address to listen on; 0.0.0.0: all of this machine, without any password",
    }),
    maxBody: number(defaultLimits.body / 2 ** 20, { min: 0.001, max: 1024, doc: "largest body of a request in MiB" }),
    maxMegapixels: integer(32, { min: 1, max: 1000, doc: "larger pictures are refused by their header" }),
    maxRequests: integer(defaultLimits.requests, {
      min: 1,
      max: 10_000,
      doc: "requests at once; more are told to come back",
    }),
    batch: integer(32, { min: 1, doc: "pictures that go through the network together, at the most" }),
    role,
    device,
    threads,
    json: boolean(false, { doc: "print where it listens as one JSON line" }),
  },
  examples: [
    "fewlabels serve runs/mine --port 8080",
    "curl --data-binary @cat.jpg http://127.0.0.1:8080/classify",
    "curl -F a=@cat.jpg -F b=@dog.jpg http://127.0.0.1:8080/classify",
  ],
  notes: "Ctrl-C or SIGTERM: no new requests, those under way are answered, then it ends with exit code 0.",
  async run({ path, port, host, maxBody, maxRequests, batch, json, ...options }, { who }) {
    const { judge, about, page } = await openJudge(path, options);
    const server = await startServer({
      handle: classifyRoutes({ classifier: batchedClassifier(judge, batch), about, page }),
      host,
      port,
      limits: { body: Math.round(maxBody * 2 ** 20), requests: maxRequests },
      onFault: tellFault(who),
    });
    const stopped = stopSignal(); // whoever reads where it listens may stop it at once
    if (json) print(JSON.stringify({ url: server.url, port: server.port, classes: judge.classes }));
    else {
      print(
        `${server.url} answers POST /classify and GET /health${page ? ", and shows the page" : ""}. Ctrl-C ends it.`,
      );
    }
    await stopped;
    await server.stop();
  },
});
