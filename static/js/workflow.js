// The pages Workflows and Workflow: changes of jobs gather for 250 ms, then what moves is asked for again, not
// twice within 750 ms; while something moves also without a change, since a step that is skipped tells of none.
import { fetchFragment, morph } from "./morph.js";
import { onJobs, onReset } from "./live.js";
import "./opened.js";
import { isTyping, singleKeysOn } from "./keys.js";
import { duration, tick } from "./times.js";

const GATHER = 250; // [ms]
const PAUSE = 750; // [ms]
const POLL = 2000; // [ms]
const box = document.querySelector("[data-workflow], [data-workflows]");
const isList = box.hasAttribute("data-workflows");
let planned = 0;
let asking = false;
let again = false;
let fetchedAt = 0;
let pause = PAUSE; // after an answer; longer where a workflow is so large that the answer takes its time

const inside = () => box.querySelector("[data-live]");

function plan() {
  if (asking) again = true;
  else planned ||= setTimeout(refresh, Math.max(GATHER, fetchedAt + pause - Date.now()));
}

async function refresh() {
  planned = 0;
  const old = inside();
  if (!old) return;
  asking = true;
  const askedAt = Date.now();
  show(old, await fetchFragment(old.dataset.url, isList ? (rows) => `<table><tbody>${rows}</tbody></table>` : undefined));
  fetchedAt = Date.now();
  pause = Math.max(PAUSE, 5 * (fetchedAt - askedAt));
  asking = false;
  if (again) {
    again = false;
    plan();
  }
}

function show(old, body) {
  const fresh = body?.querySelector(isList ? "tbody" : "[data-live]");
  if (!fresh) return;
  if (isList) for (const { name, value } of old.attributes) fresh.setAttribute(name, value);
  else document.title = fresh.dataset.title;
  morph(old, fresh);
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
