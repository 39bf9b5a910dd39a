// Keeps a part of the page as the server has it: <div data-refresh="1000" data-url="…">. Hidden tabs ask nothing.
import { fetchFragment, morph } from "./morph.js";
import { tick } from "./times.js";

async function refresh(box) {
  if (document.hidden) return;
  const body = await fetchFragment(box.dataset.url);
  if (!body) return;
  const fresh = box.cloneNode(false);
  fresh.append(...body.childNodes);
  morph(box, fresh);
  tick(box);
}

for (const box of document.querySelectorAll("[data-refresh]")) {
  const again = () => setTimeout(async () => { await refresh(box); again(); }, Number(box.dataset.refresh));
  again();
  document.addEventListener("visibilitychange", () => refresh(box));
}
