// The page Jobs. Progress patches in place; state changes gather for 250 ms, then one request morphs those rows.
import { fetchFragment, morph } from "./morph.js";
import { onJobs, onReset } from "./live.js";
import { isTyping, singleKeysOn } from "./keys.js";
import { duration, tick } from "./times.js";

const GATHER = 250; // [ms]
const COUNT = 5000; // [ms]
const box = document.querySelector("[data-jobs]");
const changed = new Set();
let planned = 0;

const rows = () => [...box.querySelectorAll("tr[data-job]")];
const rowOf = (id) => box.querySelector(`tr[data-job="${CSS.escape(id)}"]`);
const selected = () => box.querySelectorAll("[name=id]:checked").length;

function patch(row, { current, total, step }) {
  const bar = row.querySelector("progress");
  const text = row.querySelector("[data-progress-text]");
  if (!bar || !text || !total) return false;
  const fraction = Math.min(1, current / total);
  bar.value = fraction;
  row.querySelector(".pie")?.setAttribute("stroke-dasharray", `${Math.round(100 * fraction)} 100`);
  text.textContent = `${current.toLocaleString("en")} of ${total.toLocaleString("en")} ${step ?? ""}`.trim();
  return true;
}

function hear({ id, state, progress }) {
  const row = rowOf(id);
  if (!row) return;
  // Every so often the whole row is asked for, too: the time left is the server's to tell.
  if (row.dataset.state === state && progress && patch(row, progress) && Date.now() - (row.asked ?? 0) < 2000) return;
  row.asked = Date.now();
  plan(id);
}

function plan(id) {
  changed.add(id);
  planned ||= setTimeout(refresh, GATHER);
}

async function refresh() {
  planned = 0;
  const ids = [...changed].slice(0, 200);
  ids.forEach((id) => changed.delete(id));
  const query = new URLSearchParams(ids.map((id) => ["id", id]));
  const body = await fetchFragment(`${box.dataset.rowsUrl}?${query}`, (html) => `<table><tbody>${html}</tbody></table>`);
  if (!body) return;
  for (const fresh of body.querySelectorAll("tr[data-job]")) {
    const row = rowOf(fresh.dataset.job);
    if (!row) continue;
    if (row.dataset.state !== fresh.dataset.state) fresh.querySelector(".state")?.classList.add("state-fresh");
    morph(row, fresh);
    tick(row);
  }
  if (selected()) showSelected();
}

async function count() {
  if (document.hidden || !box.dataset.countsUrl) return;
  const body = await fetchFragment(box.dataset.countsUrl);
  const chips = box.querySelector("[data-chips]");
  if (!body || !chips || chips.querySelector("select:focus")) return;
  const fresh = Object.assign(document.createElement("div"), { innerHTML: body.innerHTML });
  fresh.setAttribute("data-chips", "");
  morph(chips, fresh);
}

function showSelected() {
  const number = selected();
  box.querySelector("[data-selected]").textContent = `${number} selected:`;
  for (const button of box.querySelectorAll("[data-states]")) {
    const states = button.dataset.states.split(" ");
    const able = rows().filter((row) => row.querySelector("[name=id]:checked") && states.includes(row.dataset.state)).length;
    button.firstChild.data = button.firstChild.data.replace(/( \d+)?$/, able ? ` ${able}` : "");
    button.disabled = !able;
  }
  const all = box.querySelector("[data-select-all]");
  all.checked = number > 0 && number === rows().length;
  all.indeterminate = number > 0 && number < rows().length;
}

function setUpSelection() {
  const all = box.querySelector("[data-select-all]");
  if (!all) return;
  all.hidden = false;
  box.addEventListener("change", (event) => {
    if (event.target === all) box.querySelectorAll("[name=id]").forEach((tick) => { tick.checked = all.checked; });
    if (event.target === all || event.target.name === "id") showSelected();
  });
}

// j and k move, x selects, Enter opens: the link that has the focus is the place.
function press(event) {
  if (isTyping(event) || !singleKeysOn() || event.defaultPrevented) return;
  const list = rows();
  const at = list.indexOf(document.activeElement?.closest("tr[data-job]"));
  if (event.key === "j" || event.key === "k") {
    const next = list[Math.max(0, Math.min(list.length - 1, at + (event.key === "j" ? 1 : -1)))];
    next?.querySelector(".list-title").focus();
    event.preventDefault();
  } else if (event.key === "x" && at >= 0) {
    list[at].querySelector("[name=id]").click();
  }
}

onJobs(hear);
onReset(() => {
  rows().filter((row) => !["SUCCESS", "FAILURE", "REVOKED"].includes(row.dataset.state)).forEach((row) => plan(row.dataset.job));
  count();
});
setUpSelection();
addEventListener("keydown", press);
box.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});
setInterval(count, COUNT);
setInterval(() => {
  for (const element of box.querySelectorAll("[data-since]")) {
    element.textContent = duration(Date.now() / 1000 - Number(element.dataset.since));
  }
}, 1000);
