// A file dropped on "New job" proposes the kinds that take it; where only one does, its form opens with the file.
import { fits, onDrop, send } from "./upload.js";

// An address names no more files than this.
const MOST = 1000;
const hint = document.querySelector("[data-drop-hint]");
const list = document.querySelector(".choices");
let dropped = [];

function names(files) {
  return files.length === 1 ? files[0].name : `${files.length} files`;
}

async function open(choice) {
  const { field, uploadUrl } = choice.dataset;
  hint.textContent = `Uploading ${names(dropped)}.`;
  try {
    const rows = [];
    for await (const some of send(uploadUrl, field, dropped)) rows.push(...some);
    const refused = rows.find((row) => row.matches("[data-upload-error]"));
    if (refused) {
      hint.textContent = refused.textContent;
      return;
    }
    const query = new URLSearchParams(rows.map((row) => {
      const { name, value } = row.querySelector("input");
      return [name, value];
    }));
    location.assign(`${choice.href}?${query}`);
  } catch (error) {
    hint.textContent = error.message;
  }
}

if (list) {
  onDrop((files) => {
    if (files.length > MOST) {
      hint.textContent = `${names(files)} are too many for here. Open the form that takes them, and drop them there.`;
      return;
    }
    dropped = files;
    const all = [...list.children].filter(
      ({ dataset }) => dataset.field && files.every((file) => fits(file, dataset.accept)),
    );
    // Who takes any file is asked only where nobody takes just these.
    const some = all.filter(({ dataset }) => dataset.accept !== "*");
    const takers = some.length ? some : all;
    for (const choice of list.children) choice.toggleAttribute("data-fits", takers.includes(choice));
    list.classList.toggle("dropping-some", takers.length > 0);
    if (takers.length === 1) open(takers[0]);
    else if (takers.length) hint.textContent = `What shall be done with ${names(files)}?`;
    else hint.textContent = `Nothing here takes ${names(files)}.`;
  });
  list.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-fits]");
    if (!choice) return;
    event.preventDefault();
    open(choice);
  });
}
