// Files go to the server when they are chosen; the form then carries only their ids.
import { token } from "./token.js";

export class UploadError extends Error {}

// Files of one request: the server takes no more than some hundreds.
const BATCH = 100;

/** Sends files for one field. onProgress(fraction). Yields the rows that carry them, a request's at a time. */
export async function* send(url, field, files, onProgress = () => {}) {
  const whole = bytes(files) || 1;
  let sent = 0;
  for (let at = 0; at < files.length; at += BATCH) {
    const batch = files.slice(at, at + BATCH);
    const size = bytes(batch);
    yield elements(await post(url, field, batch, (fraction) => onProgress((sent + fraction * size) / whole)));
    sent += size;
  }
}

function bytes(files) {
  return files.reduce((sum, { size }) => sum + size, 0);
}

function post(url, field, files, onProgress) {
  const body = new FormData();
  body.append("field", field);
  for (const file of files) body.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", token());
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.onerror = () => reject(new UploadError("The connection broke. Choose again what is missing."));
    request.onload = () => {
      if (new URL(request.responseURL).pathname === "/login") {
        reject(new UploadError("You are logged out. Log in in another tab, then choose again what is missing."));
      } else if (request.status === 200 || request.status === 422) resolve(request.responseText);
      else if (request.status === 507) reject(new UploadError("The server has no room for it. Try again later."));
      else if (request.status === 503) reject(new UploadError("The server is out of order. Try again in a moment."));
      else reject(new UploadError(`The server answered ${request.status}. Reload the page and try again.`));
    };
    request.send(body);
  });
}

/** The elements of an HTML text from our own server. */
function elements(html) {
  return [...new DOMParser().parseFromString(html, "text/html").body.children];
}

/** Whether a file's name ends as one of the suffixes (".png,.webp"; "" or "*" takes all). */
export function fits(file, accept) {
  const suffixes = accept.toLowerCase().split(/[\s,]+/).filter(Boolean);
  return suffixes.length === 0 || suffixes.includes("*") || suffixes.some((end) => file.name.toLowerCase().endsWith(end));
}

/** Calls handle(files) for files dropped anywhere on the page; marks the page meanwhile. */
export function onDrop(handle) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    document.body.classList.remove("dropping");
    handle([...event.dataTransfer.files]);
  });
}
