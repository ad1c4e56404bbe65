// Service worker: keeps what the page has loaded, and gives it where no server answers.
const kept = "fewlabels";
const files = [
  "./",
  "style.css",
  "page.js",
  "resize.js",
  "model.json",
  "model.onnx",
  "runtime/ort.wasm.min.mjs",
  "runtime/ort-wasm-simd-threaded.mjs",
  "runtime/ort-wasm-simd-threaded.wasm",
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(kept).then((cache) => cache.addAll(files)));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  event.respondWith(
    fetch(request)
      .then((response) => {
        if (response.ok) {
          const copy = response.clone();
          event.waitUntil(caches.open(kept).then((cache) => cache.put(request, copy)));
        }
        return response;
      })
      .catch(async () => (await caches.match(request)) ?? Response.error()),
  );
});
