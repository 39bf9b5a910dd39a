// The page Schedules: its rows are fetched again when jobs change state, at most once a second, and now and then.
import { fetchFragment, morph } from "./morph.js";
import { onJobs, onReset } from "./live.js";
import { tick } from "./times.js";

const GATHER = 700; // [ms]
const EVERY = 15_000; // [ms]: next runs come near without any job
const box = document.querySelector("[data-schedules]");
const states = new Map();
let planned = 0;

function plan() {
  planned ||= setTimeout(refresh, GATHER);
}

async function refresh() {
  planned = 0;
  const rows = box.querySelector("[data-rows]");
  if (!rows || document.hidden) return;
  const body = await fetchFragment(box.dataset.rowsUrl, (html) => `<table><tbody data-rows>${html}</tbody></table>`);
  const fresh = body?.querySelector("[data-rows]");
  if (!fresh) return;
  morph(rows, fresh);
  tick(rows);
}

onJobs(({ id, state }) => {
  if (states.get(id) === state) return; // progress
  states.set(id, state);
  if (states.size > 5000) states.clear();
  plan();
});
onReset(plan);
setInterval(plan, EVERY);
