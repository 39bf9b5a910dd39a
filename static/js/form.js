// The form of a new job: files are sent when chosen or dropped, the button answers in place.
import { fits, onDrop, send } from "./upload.js";

const form = document.querySelector("[data-new-form]");
const button = document.querySelector("[data-submit]");
const word = button.textContent;
let sending = 0;

document.querySelector("[data-focus]")?.focus();

async function take(field, files) {
  const input = field.querySelector("input[type=file]");
  const kept = field.querySelector("[data-kept]");
  field.querySelectorAll("[data-upload-error]").forEach((error) => error.remove());
  sending += 1;
  button.disabled = true;
  try {
    const url = field.closest("[data-upload-url]").dataset.uploadUrl;
    const tell = (fraction) => { button.textContent = `Uploading ${Math.round(100 * fraction)} %`; };
    for await (const rows of send(url, field.dataset.upload, files, tell)) {
      if (!input.multiple && rows.some((row) => row.matches(".kept"))) kept.replaceChildren();
      kept.append(...rows);
    }
  } catch (error) {
    const told = Object.assign(document.createElement("p"), { className: "error", textContent: error.message });
    told.dataset.uploadError = "";
    kept.append(told);
  } finally {
    sending -= 1;
    if (!sending) {
      button.disabled = false;
      button.textContent = word;
    }
  }
  form.dispatchEvent(new Event("preview"));
}

// Captured before htmx hears of it: the preview goes out once the files are stored.
form.addEventListener("change", (event) => {
  const field = event.target.closest("[data-upload]");
  if (!field || event.target.type !== "file" || !event.target.files.length) return;
  event.stopPropagation();
  const files = [...event.target.files];
  event.target.value = "";
  take(field, files);
}, true);

// What is being put right is not wrong any more, as far as the page can tell; sending checks it again.
form.addEventListener("input", ({ target }) => {
  const field = target.closest(".field");
  if (!field?.querySelector(".error")) return;
  field.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
  field.querySelectorAll(".error:not([data-upload-error])").forEach((error) => error.remove());
});

onDrop((files) => {
  const fields = [...form.querySelectorAll("[data-upload]")];
  const input = (field) => field.querySelector("input[type=file]");
  const field = fields.find((each) => files.every((file) => fits(file, input(each).accept))) ?? fields[0];
  if (field) take(field, input(field).multiple ? files : files.slice(0, 1));
});

form.addEventListener("submit", (event) => {
  if (sending) return event.preventDefault();
  // After this event: a button that is disabled now would not be sent.
  setTimeout(() => {
    button.disabled = true;
    button.textContent = "Sending";
  });
});
addEventListener("pageshow", () => {
  button.disabled = false;
  button.textContent = word;
});
