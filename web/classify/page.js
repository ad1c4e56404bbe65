// The page of `fewlabels export --format web`: pictures in, classes out, all of it in this browser.

import { flatten, toNetwork } from "./resize.js";
import * as ort from "./runtime/ort.wasm.min.mjs";

const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const status = $("status");
/** Larger pictures are drawn smaller first: canvases of phones hold no more. */
const maxPixels = 16e6;
const shown = 5;
/** Pictures that stay on the page, the newest; more would fill the memory of a phone. */
const kept = 200;

ort.env.wasm.wasmPaths = new URL("runtime/", import.meta.url).href;
ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;

/** Loads facts and network; everything else waits for it. */
const ready = (async () => {
  const facts = await (await fetch("model.json")).json();
  describe(facts);
  const session = await ort.InferenceSession.create("model.onnx");
  return { facts, session };
})();
ready.then(
  () => say("Ready."),
  (error) =>
    say(
      `The network cannot be loaded: ${error.message}. The page must come from a web server, such as \`fewlabels serve\`.`,
    ),
);

function say(/** @type {string} */ text) {
  status.textContent = text;
}

function describe(/** @type {any} */ { classes, run, threshold, test }) {
  const names =
    classes.length > 12 ? `${classes.slice(0, 12).join(", ")} and ${classes.length - 12} more` : classes.join(", ");
  $("classes").textContent = `It knows: ${names}.`;
  const error = test ? ` It was wrong on ${test.exportedError.toFixed(1)} % of ${test.images} test pictures.` : "";
  $("about").textContent =
    `${run.model}, trained by ${run.method} on ${run.labels} labels.${error}${promise(threshold)}`;
}

/** What its being sure is worth. */
function promise(/** @type {any} */ { threshold, sure, rightWhenSure, wanted }) {
  if (sure === undefined) return "";
  if (sure === 0) return ` It is never sure: at no confidence were ${percent(wanted)} of its answers right.`;
  return ` Below ${percent(threshold)} it says that it is not sure; above, ${percent(rightWhenSure)} of its answers were right.`;
}

const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)} %`;

/** One picture at a time, in order. */
let queue = Promise.resolve();
function classifyAll(/** @type {Iterable<Blob>} */ blobs) {
  const list = [...blobs];
  queue = queue.then(async () => {
    for (const [i, blob] of list.entries()) {
      say(list.length > 1 ? `Looking at picture ${i + 1} of ${list.length}…` : "Looking…");
      await classify(blob);
    }
  });
}

async function classify(/** @type {Blob} */ blob) {
  const name = "name" in blob ? String(blob.name) : "picture";
  try {
    const { facts, session } = await ready;
    const pixels = await pixelsOf(blob, facts.picture);
    const { size } = facts.picture;
    const { logits } = await session.run({ pixel_values: new ort.Tensor("float32", pixels, [1, 3, size, size]) });
    show(blob, name, softmax(logits.data), facts);
  } catch (error) {
    showFailure(name, /** @type {Error} */ (error));
  }
}

async function pixelsOf(/** @type {Blob} */ blob, /** @type {any} */ { size, fit }) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      imageOrientation: "from-image",
      premultiplyAlpha: "none",
      colorSpaceConversion: "default",
    });
  } catch {
    throw new Error("this is not a picture that the browser can read");
  }
  const factor = Math.min(1, Math.sqrt(maxPixels / (bitmap.width * bitmap.height)));
  const [width, height] = [
    Math.max(1, Math.round(bitmap.width * factor)),
    Math.max(1, Math.round(bitmap.height * factor)),
  ];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("the browser has no canvas left");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return toNetwork(flatten(data, width, height), size, fit, blob.type === "image/jpeg");
}

function softmax(/** @type {Float32Array} */ logits) {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (v) => Math.exp(v - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

function element(/** @type {string} */ tag, /** @type {string} */ text = "", /** @type {string} */ className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function show(
  /** @type {Blob} */ blob,
  /** @type {string} */ name,
  /** @type {number[]} */ probabilities,
  /** @type {any} */ facts,
) {
  const order = probabilities.map((p, k) => ({ p, k })).sort((a, b) => b.p - a.p || a.k - b.k);
  const [best] = order;
  const sure = best.p >= facts.threshold.threshold;
  const answer = facts.classes[best.k];
  const item = element("li", "", sure ? "sure" : "unsure");
  item.dataset.class = answer;
  item.dataset.probability = String(best.p);
  const picture = document.createElement("img");
  picture.src = URL.createObjectURL(blob);
  picture.alt = name;
  const words = element("div");
  words.append(element("h2", sure ? answer : `Not sure; perhaps ${answer}`), element("p", name, "file"));
  const bars = element("dl");
  for (const { p, k } of order.slice(0, shown)) {
    const track = element("div", "", "track");
    track.setAttribute("aria-hidden", "true");
    const bar = element("div");
    bar.style.width = `${100 * p}%`;
    track.append(bar);
    bars.append(element("dt", facts.classes[k]), track, element("dd", percent(p)));
  }
  words.append(bars);
  item.append(picture, words);
  add(item);
  say(`${name}: ${sure ? answer : `not sure; perhaps ${answer}`}, ${percent(best.p)}.`);
}

/** On top of the list; what falls off its end gives its picture back. @param {HTMLElement} item */
function add(item) {
  const list = $("results");
  list.prepend(item);
  while (list.children.length > kept) {
    const last = /** @type {Element} */ (list.lastElementChild);
    const picture = last.querySelector("img");
    if (picture) URL.revokeObjectURL(picture.src);
    last.remove();
  }
}

function showFailure(/** @type {string} */ name, /** @type {Error} */ error) {
  const item = element("li", "", "failed");
  item.append(element("div"), element("div"));
  item.lastElementChild?.append(element("h2", "No answer"), element("p", `${name}: ${error.message}`, "file"));
  add(item);
  say(`${name}: ${error.message}.`);
}

// Pictures come in by button, drop, paste and camera.
const input = /** @type {HTMLInputElement} */ ($("files"));
input.addEventListener("change", () => {
  classifyAll(input.files ?? []);
  input.value = "";
});
const drop = $("drop");
let over = 0;
addEventListener("dragenter", () => drop.classList.toggle("over", ++over > 0));
addEventListener("dragleave", () => drop.classList.toggle("over", --over > 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  drop.classList.remove("over");
  classifyAll(event.dataTransfer?.files ?? []);
});
addEventListener("paste", (event) => classifyAll([...(event.clipboardData?.files ?? [])]));

const video = /** @type {HTMLVideoElement} */ ($("video"));
/** @type {MediaStream | undefined} */
let stream;
let opening = false;
const stopCamera = () => {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  $("viewfinder").hidden = true;
};
$("camera").addEventListener("click", async () => {
  // Pressed again, it opens no second stream, which nothing would stop.
  if (stream) $("shoot").focus();
  if (stream || opening) return;
  opening = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = stream;
    $("viewfinder").hidden = false;
    await video.play();
    $("shoot").focus();
  } catch (error) {
    stopCamera();
    say(
      `The camera cannot be used: ${/** @type {Error} */ (error).message}. Browsers allow it on https:// and localhost only.`,
    );
  } finally {
    opening = false;
  }
});
$("shoot").addEventListener("click", () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  canvas.toBlob((blob) => blob && classifyAll([new File([blob], "camera.png", { type: "image/png" })]), "image/png");
});
$("stop").addEventListener("click", () => {
  stopCamera();
  $("camera").focus();
});
if (!navigator.mediaDevices) $("camera").hidden = true;

// Seen once, the page works without a network; a server that answers is asked first.
if ("serviceWorker" in navigator) navigator.serviceWorker.register("offline.js").catch(() => {});
