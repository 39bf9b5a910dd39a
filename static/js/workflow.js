// The pages Workflows and Workflow: changes of jobs gather for 250 ms, then what moves is asked for again, at most
// once a second; while something moves also without a change, since a step that is skipped tells of none.
import { fetchFragment, morph } from "./morph.js";
import { onJobs, onReset } from "./live.js";
import "./opened.js";
import { isTyping, singleKeysOn } from "./keys.js";
import { duration, tick } from "./times.js";

const GATHER = 250; // [ms]
const PAUSE = 1000; // [ms]
const POLL = 2000; // [ms]
const box = document.querySelector("[data-workflow], [data-workflows]");
const isList = box.hasAttribute("data-workflows");
let planned = 0;
let fetchedAt = 0;

const inside = () => box.querySelector("[data-live]");

function plan() {
  const rested = Date.now() - fetchedAt;
  planned ||= setTimeout(refresh, Math.max(GATHER, PAUSE - rested));
}

async function refresh() {
  const old = inside();
  if (!old) {
    planned = 0;
    return;
  }
  const body = await fetchFragment(old.dataset.url, isList ? (rows) => `<table><tbody>${rows}</tbody></table>` : undefined);
  planned = 0;
  fetchedAt = Date.now();
  const fresh = body?.querySelector(isList ? "tbody" : "[data-live]");
  if (!fresh) return;
  if (isList) for (const { name, value } of old.attributes) fresh.setAttribute(name, value);
  morph(old, fresh);
  if (!isList) document.title = fresh.dataset.title;
  tick(box);
}

function follows(id) {
  return isList || inside().dataset.ids.split(" ").includes(id);
}

// c cancels, r retries.
function press(event) {
  if (isTyping(event) || !singleKeysOn() || event.defaultPrevented) return;
  const target = { c: "[data-key-c]", r: "[data-key-r]" }[event.key];
  const element = target && box.querySelector(target);
  if (!element) return;
  event.preventDefault();
  element.click();
}

onJobs(({ id }) => { if (follows(id)) plan(); });
onReset(plan);
addEventListener("keydown", press);
setInterval(() => {
  for (const element of box.querySelectorAll("[data-since]")) {
    element.textContent = duration(Date.now() / 1000 - Number(element.dataset.since));
  }
}, 1000);
setInterval(() => {
  const moves = isList ? box.querySelector("[data-since]") : !inside().hasAttribute("data-final");
  if (moves && !document.hidden && Date.now() - fetchedAt >= POLL) plan();
}, POLL);
