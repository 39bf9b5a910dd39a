// The page Job. Progress patches in place; a state change, or two seconds while it moves, fetch what moves again.
import { fetchFragment, morph } from "./morph.js";
import { onJobs, onReset } from "./live.js";
import { isTyping, singleKeysOn } from "./keys.js";
import { duration, tick } from "./times.js";

const GATHER = 250; // [ms]
const POLL = 2000; // [ms]
const box = document.querySelector("[data-job-live]");
let planned = 0;
let asking = false;
let again = false;
let told = null; // progress that was patched in while a fragment, which may be older, was on its way
let fetchedAt = Date.now();

const inside = () => box.querySelector("[data-live]");
const isFinal = () => inside().hasAttribute("data-final");

function patch({ current, total, step }) {
  const bar = box.querySelector(".job-progress progress");
  if (!bar || !total) return false;
  const fraction = Math.min(1, current / total);
  bar.value = fraction;
  box.querySelector(".job-state .pie")?.setAttribute("stroke-dasharray", `${Math.round(100 * fraction)} 100`);
  box.querySelector("[data-progress-text]").textContent =
    `${current.toLocaleString("en")} of ${total.toLocaleString("en")} ${step ?? ""}`.trim();
  document.title = document.title.replace(/^\d+%/, `${Math.floor(100 * fraction)}%`);
  return true;
}

function plan() {
  if (asking) again = true;
  else planned ||= setTimeout(refresh, GATHER);
}

async function refresh() {
  planned = 0;
  asking = true;
  told = null;
  fetchedAt = Date.now();
  show(await fetchFragment(inside().dataset.url));
  asking = false;
  if (again) {
    again = false;
    plan();
  }
}

function show(body) {
  const fresh = body?.querySelector("[data-live]");
  if (!fresh) return;
  const log = box.querySelector("[data-log]");
  const followed = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  if (fresh.dataset.state !== inside().dataset.state) fresh.querySelector(".job-state .state")?.classList.add("state-fresh");
  morph(inside(), fresh);
  document.title = fresh.dataset.title;
  if (told) patch(told);
  tick(box);
  if (followed) followLog();
}

function followLog() {
  const log = box.querySelector("[data-log]");
  if (log) log.scrollTop = log.scrollHeight;
}

function countDown() {
  for (const element of box.querySelectorAll("[data-since]")) {
    element.textContent = duration(Date.now() / 1000 - Number(element.dataset.since));
  }
  for (const element of box.querySelectorAll("[data-countdown]")) {
    const left = Number(element.dataset.countdown) - Date.now() / 1000;
    element.textContent = left > 0 ? `in ${duration(left)}` : "now";
  }
}

// c cancels, p pauses and resumes, r retries, e edits and reruns, [ and ] lead to the neighbours.
function press(event) {
  if (isTyping(event) || !singleKeysOn() || event.defaultPrevented) return;
  const target = {
    c: "[data-key-c]", p: "[data-key-p]", r: "[data-key-r]", e: "[data-key-e]", "[": "[rel=prev]", "]": "[rel=next]",
  }[event.key];
  const element = target && document.querySelector(target);
  if (!element) return;
  event.preventDefault();
  element.click();
}

onJobs(({ id, state, progress }) => {
  if (id !== box.dataset.job) return;
  // A job that comes to stand still, or goes on, says so in more places than its progress.
  const stands = progress?.step === "paused" && inside().querySelector("[data-key-p]") !== null;
  const turned = state !== inside().dataset.state || stands !== inside().hasAttribute("data-paused");
  if (turned || !progress || !patch(progress)) return plan();
  if (asking) told = progress;
});
onReset(plan);
addEventListener("keydown", press);
followLog();
countDown();
setInterval(countDown, 1000);
setInterval(() => {
  if (!document.hidden && !isFinal() && Date.now() - fetchedAt >= POLL) plan();
}, POLL);
