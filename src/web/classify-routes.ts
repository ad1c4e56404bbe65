/** `POST /classify` and `GET /health`, and behind them the files of an exported page. */
import type { Classifier } from "./classifier.js";
import { type Call, HttpError, json, type Reply } from "./server.js";
import { staticReply } from "./static.js";

/** Pictures in one request. */
const maxPictures = 64;

export interface ClassifyOptions {
  readonly classifier: Classifier;
  /** What `/health` says of the network. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Folder of an exported page. */
  readonly page?: string | undefined;
}

export function classifyRoutes({ classifier, about, page }: ClassifyOptions): (call: Call) => Promise<Reply> {
  const started = performance.now();
  return async (call) => {
    if (call.path === "/classify") return classifyCall(classifier, call);
    if (call.path === "/health") {
      if (call.method !== "GET" && call.method !== "HEAD") throw new HttpError(405, "only GET", { allow: "GET, HEAD" });
      const { pictures, passes } = classifier;
      return json(200, {
        status: "ok",
        ...about,
        pictures,
        passes,
        seconds: Math.round((performance.now() - started) / 1000),
      });
    }
    if (page !== undefined) return staticReply(page, call);
    throw new HttpError(404, `there is no ${call.path}; POST a picture to /classify, or GET /health`);
  };
}

async function classifyCall(classifier: Classifier, call: Call): Promise<Reply> {
  if (call.method !== "POST") throw new HttpError(405, "POST a picture here", { allow: "POST" });
  const type = call.headers["content-type"] ?? "";
  const body = await call.body();
  if (body.length === 0)
    throw new HttpError(400, "the body is empty; expected a picture, or multipart/form-data with several");
  if (!/^multipart\//i.test(type)) {
    const answer = await classifier.classify(body);
    return "error" in answer ? json(422, answer) : json(200, answer);
  }
  const files = await filesOf(body, type);
  const answers = await Promise.all(
    files.map(async ({ name, bytes }) => ({ file: name, ...(await classifier.classify(bytes)) })),
  );
  const none = answers.every((answer) => "error" in answer);
  return json(none ? 422 : 200, { pictures: answers });
}

async function filesOf(
  body: Uint8Array,
  type: string,
): Promise<{ readonly name: string; readonly bytes: Uint8Array }[]> {
  let form: FormData;
  try {
    form = await new Response(Uint8Array.from(body), { headers: { "content-type": type } }).formData();
  } catch {
    throw new HttpError(400, "the multipart body cannot be read; is it cut short, or its boundary another one?");
  }
  const files = [...form.values()].filter((value) => typeof value !== "string");
  if (files.length === 0) throw new HttpError(400, "the multipart body has no file");
  if (files.length > maxPictures) {
    throw new HttpError(413, `${files.length} pictures in one request; ${maxPictures} at the most`);
  }
  return Promise.all(files.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
}
