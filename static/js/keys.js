// Keys: ⌘K or Ctrl K opens the palette, single keys go places. Single keys can be switched off in the help (?).

const GO = { o: "overview", j: "jobs", f: "failures", s: "schedules", w: "workflows", q: "workers", n: "new" };
const OFF = "jobsite-keys-off";
const palette = document.getElementById("palette");
const help = document.getElementById("keys-help");
const input = palette?.querySelector("input");
const list = palette?.querySelector("[role=listbox]");
const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
let waitsForGo = 0;

export function singleKeysOn() {
  return localStorage.getItem(OFF) === null;
}

/** Whether a key press belongs to a field or a dialog, not to the page. */
export function isTyping(event) {
  const target = event.target;
  return event.ctrlKey || event.metaKey || event.altKey || target.isContentEditable
    || target.matches?.("input:not([type=checkbox], [type=radio]), textarea, select") || Boolean(document.querySelector("dialog[open]"));
}

function pages() {
  return [...document.querySelectorAll(".nav [data-page]")].map((link) => ({
    label: link.querySelector("span").textContent, url: link.href, page: link.dataset.page,
  }));
}

function choices(text) {
  const wanted = text.trim().toLowerCase();
  const found = pages().filter(({ label }) => label.toLowerCase().includes(wanted));
  if (/^[0-9a-z][0-9a-z_.:-]{7,254}$/i.test(text.trim())) {
    found.unshift({ label: `Open job ${text.trim()}`, url: `${palette.dataset.jobs}/${encodeURIComponent(text.trim())}/` });
  }
  if (wanted) found.push({ label: `Search jobs for “${text.trim()}”`, url: `${palette.dataset.jobs}?q=${encodeURIComponent(text.trim())}` });
  return found;
}

function draw() {
  list.replaceChildren(...choices(input.value).map(({ label, url }, index) => {
    const link = Object.assign(document.createElement("a"), { className: "menu-item", href: url, textContent: label });
    link.id = `palette-${index}`;
    link.tabIndex = -1;
    link.setAttribute("role", "option");
    link.setAttribute("aria-selected", String(index === 0));
    return link;
  }));
  point(0);
}

function point(index) {
  const options = [...list.children];
  const chosen = options.at(index % options.length || 0);
  options.forEach((option) => option.setAttribute("aria-selected", String(option === chosen)));
  input.setAttribute("aria-activedescendant", chosen?.id ?? "");
  chosen?.scrollIntoView({ block: "nearest" });
}

function openPalette() {
  input.value = "";
  draw();
  palette.showModal();
}

function movePalette(event) {
  const options = [...list.children];
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown") point(at + 1);
  else if (event.key === "ArrowUp") point(at - 1);
  else if (event.key === "Enter") options[at]?.click();
  else return;
  event.preventDefault();
}

function go(name) {
  const link = document.querySelector(`.nav [data-page="${name}"]`);
  link?.click();
  return Boolean(link);
}

function search() {
  const field = document.querySelector("[data-search]");
  if (!field) return openPalette();
  field.focus();
  field.select();
}

function press(event) {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (palette.open) palette.close();
    else openPalette();
    return;
  }
  if (isTyping(event) || !singleKeysOn()) return;
  if (waitsForGo) {
    clearTimeout(waitsForGo);
    waitsForGo = 0;
    if (GO[event.key] && go(GO[event.key])) event.preventDefault();
    // The letter belongs to `g`, even where it names no page.
    event.stopImmediatePropagation();
    return;
  }
  const keys = { "/": search, "?": () => help.showModal(), n: () => go("new"), g: () => { waitsForGo = setTimeout(() => { waitsForGo = 0; }, 1500); } };
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

if (palette) {
  input.addEventListener("input", draw);
  palette.addEventListener("close", () => input.blur());
  input.addEventListener("keydown", movePalette);
  addEventListener("keydown", press);
  for (const opener of document.querySelectorAll("[data-open-palette]")) {
    opener.hidden = false;
    opener.querySelector("kbd").textContent = isMac ? "⌘K" : "Ctrl K";
    opener.addEventListener("click", openPalette);
  }
  for (const opener of document.querySelectorAll("[data-open-help]")) {
    opener.hidden = false;
    opener.addEventListener("click", () => help.showModal());
  }
  for (const dialog of [palette, help]) {
    // A click on the backdrop is a click on the dialog itself.
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
  const toggle = help.querySelector("[data-single-keys]");
  toggle.checked = singleKeysOn();
  toggle.addEventListener("change", () => {
    if (toggle.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "");
  });
}
