// Progress patches in place; anything else fetches the page's inside again, at most every 250 ms.
import { onJobs, onReset } from "./live.js";
import { duration, tick } from "./times.js";

const box = document.getElementById("overview");
const GATHER = 250; // [ms]
let planned = 0;
let fetching = false;
let again = false;

function patch({ id, progress }) {
  const row = box.querySelector(`[data-job="${CSS.escape(id)}"]`);
  const bar = row?.querySelector("progress");
  if (!bar || !progress?.total) return false;
  const { current, total, step } = progress;
  bar.value = Math.min(1, current / total);
  const text = `${current.toLocaleString("en")} of ${total.toLocaleString("en")} ${step ?? ""}`.trim();
  row.querySelector("[data-progress-text]").textContent = text;
  return true;
}

function plan() {
  if (fetching) again = true;
  else planned ||= setTimeout(refresh, GATHER);
}

async function refresh() {
  planned = 0;
  fetching = true;
  try {
    const answer = await fetch(box.dataset.fragmentUrl, { headers: { "HX-Request": "true" }, redirect: "error" });
    if (answer.ok) {
      const focused = box.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      box.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
      if (focused) box.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      tick(box);
    }
  } catch {
    // No answer: the live mark says so, and the next change or the poll asks again.
  }
  fetching = false;
  if (again) {
    again = false;
    plan();
  }
}

onJobs((event) => {
  if (event.state !== "STARTED" || !patch(event)) plan();
});
onReset(plan);
setInterval(() => {
  for (const element of box.querySelectorAll("[data-since]")) {
    element.textContent = duration(Date.now() / 1000 - Number(element.dataset.since));
  }
}, 1000);
