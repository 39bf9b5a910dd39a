// Live updates: one stream per browser. The tab that holds the Web Lock reads it and passes events to the others
// over a BroadcastChannel, because HTTP/1.1 allows six connections to a site.
//
//   onJobs(callback)   callback({id, state, progress}) for every change of a job that the user may see
//   onReset(callback)  fetch again what you show: events were missed, or there is no stream (then every 5 s)

const STREAM = "/api/v1/events";
const PATIENCE = 3000; // [ms] without a stream before the page says so
const POLL = 5000; // [ms] between fetches while there is no stream
const NAME = `jobsite-live-${document.documentElement.dataset.user ?? ""}`;

const jobs = new Set();
const resets = new Set();
const channel = new BroadcastChannel(NAME);
let live = false;
let lostAt = new Date();
let source = null;
let leaving = null; // resolves the lock's promise, which gives the lead to another tab
let patience = 0;
let polling = 0;
let retrying = 0;
let stopWaiting = () => {};

export function onJobs(callback) {
  jobs.add(callback);
  return () => jobs.delete(callback);
}

export function onReset(callback) {
  resets.add(callback);
  return () => resets.delete(callback);
}

function tellAll(message) {
  hear(message);
  channel.postMessage(message);
}

function hear({ type, data }) {
  if (type === "job") jobs.forEach((callback) => callback(data));
  else if (type === "reset") resets.forEach((callback) => callback());
  else if (type === "live") becomeLive(data);
  else if (type === "opened") {
    live = false;
    becomeLive(true);
  } else if (type === "who" && source) channel.postMessage({ type: "live", data: source.readyState === EventSource.OPEN });
}

function becomeLive(now) {
  if (now === live) return;
  live = now;
  if (!live) {
    lostAt = new Date();
    waitForStream();
    return;
  }
  clearTimeout(patience);
  clearInterval(polling);
  polling = 0;
  showMark();
  // Nobody told what happened between the drawing of the page and now.
  hear({ type: "reset" });
}

function waitForStream() {
  clearTimeout(patience);
  patience = setTimeout(() => {
    showMark();
    polling ||= setInterval(() => hear({ type: "reset" }), POLL);
  }, PATIENCE);
}

function showMark() {
  const mark = document.querySelector("[data-live-mark]");
  if (!mark) return;
  mark.dataset.live = live ? "yes" : "no";
  const time = lostAt.toLocaleTimeString("en-GB", { timeZone: document.documentElement.dataset.zone });
  mark.textContent = live ? "Live" : `Not live since ${time}. Checking every 5 s.`;
}

function openStream() {
  source = new EventSource(STREAM);
  source.onopen = () => tellAll({ type: "opened" });
  source.onerror = () => {
    tellAll({ type: "live", data: false });
    if (source?.readyState === EventSource.CLOSED) retrying = setTimeout(openStream, POLL);
  };
  source.addEventListener("job", (event) => tellAll({ type: "job", data: JSON.parse(event.data) }));
  // The server is there, but hears of no job itself, until it says reset.
  source.addEventListener("hold", () => tellAll({ type: "live", data: false }));
  source.addEventListener("reset", () => tellAll(live ? { type: "reset" } : { type: "live", data: true }));
}

function closeStream() {
  clearTimeout(retrying);
  source?.close();
  source = null;
}

function join() {
  if (document.hidden) return;
  const abort = new AbortController();
  const waiting = navigator.locks.request(NAME, { signal: abort.signal }, () => {
    openStream();
    return new Promise((resolve) => { leaving = resolve; });
  });
  waiting.catch((error) => { if (error.name !== "AbortError") throw error; });
  stopWaiting = () => abort.abort();
  channel.onmessage = (event) => hear(event.data);
  channel.postMessage({ type: "who" });
  waitForStream();
}

function leave() {
  channel.onmessage = null;
  stopWaiting();
  closeStream();
  leaving?.();
  leaving = null;
  clearTimeout(patience);
  clearInterval(polling);
  polling = 0;
  live = false;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return leave();
  lostAt = new Date();
  join();
});
// A frozen page (bfcache) must not hold the lead.
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => { if (event.persisted) join(); });

if (document.documentElement.dataset.user) join();
