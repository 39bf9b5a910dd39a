// Short answers at the edge of the page. Errors stay until dismissed; others leave after 6 s unless pointed at.

const box = document.getElementById("toasts");

function retire(toast) {
  if (toast.matches(".toast-error, .toast-warning")) return;
  setTimeout(() => (toast.matches(":hover, :focus-within") ? retire(toast) : toast.remove()), 6000);
}

/** level: "info", "success", "warning" or "error". */
export function toast(text, level = "info") {
  const element = document.createElement("div");
  element.className = `toast toast-${level}`;
  element.append(Object.assign(document.createElement("p"), { textContent: text }));
  box.append(element);
  retire(element);
}

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast").remove());
document.addEventListener("htmx:sendError", () => toast("The server did not answer. Try again.", "warning"));
document.addEventListener("htmx:responseError", (event) => {
  toast(`The server answered ${event.detail.xhr.status}. Reload the page and try again.`, "error");
});
// A fragment request that was led to the login page means that the session has ended.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL || location.href).pathname !== "/login") return;
  event.detail.shouldSwap = false;
  location.reload();
});
box?.querySelectorAll(".toast").forEach(retire);
