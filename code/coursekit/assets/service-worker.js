// Keeps what was read, and on the reader's wish the whole book, for reading without a network.
// VERSION is the digest of the build: a new build is a new worker, whose cache replaces the old one.
const VERSION = "build";
const CACHE = `book-${VERSION}`;
const WHOLE = new URL("whole-book", registration.scope).href; // stands in the cache once all is kept

// what never changes under its address
const lasts = (url) => url.searchParams.has("v") || url.pathname.endsWith(".woff2");

async function keepAll(cache, tell = () => {}) {
  const { files } = await (await fetch("offline.json", { cache: "no-store" })).json();
  for (let done = 0; done < files.length; done += 8) {
    await cache.addAll(files.slice(done, done + 8).map((file) => new Request(file, { cache: "no-cache" })));
    tell(Math.min(done + 8, files.length), files.length);
  }
  await cache.put(WHOLE, new Response("yes"));
}

// a reader who kept the last build keeps this one
async function install() {
  const cache = await caches.open(CACHE);
  if (!(await cache.match(WHOLE)) && (await caches.match(WHOLE))) await keepAll(cache);
  await skipWaiting();
}

async function activate() {
  const old = (await caches.keys()).filter((name) => name.startsWith("book-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const url = new URL(request.url);
  if (lasts(url)) {
    const kept = await cache.match(request);
    if (kept) return kept;
  }
  try {
    const response = await fetch(request);
    if (response.ok && response.status === 200) await cache.put(request, response.clone());
    return response;
  } catch (problem) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw problem;
  }
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));
addEventListener("fetch", (event) => {
  const own = event.request.url.startsWith(registration.scope);
  if (own && event.request.method === "GET") event.respondWith(answer(event.request));
});
addEventListener("message", (event) => {
  const [port] = event.ports;
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    try {
      if (event.data === "keep") await keepAll(cache, (done, all) => port.postMessage({ done, all }));
      port.postMessage({ whole: Boolean(await cache.match(WHOLE)) });
    } catch (problem) {
      port.postMessage({ problem: String(problem) });
    }
  })());
});
