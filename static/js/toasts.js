// Short answers at the edge of the page. Errors stay until dismissed; others leave after 6 s unless pointed at.

const box = document.getElementById("toasts");

function retire(toast) {
  if (toast.matches(".toast-error, .toast-warning")) return;
  setTimeout(() => (toast.matches(":hover, :focus-within") ? retire(toast) : toast.remove()), 6000);
}

/** parts: what it says, texts and elements. level: "info", "success", "warning" or "error". */
export function toast(parts, level = "info") {
  const element = document.createElement("div");
  const said = document.createElement("p");
  element.className = `toast toast-${level}`;
  said.append(...[parts].flat());
  element.append(said);
  box.append(element);
  retire(element);
  return element;
}

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast").remove());
document.addEventListener("htmx:sendError", () => toast("The server did not answer. Try again.", "warning"));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 507) toast("The server has no room for it. Try again later.", "error");
  else if (status === 503) toast("The server is out of order. Try again in a moment.", "warning");
  else toast(`The server answered ${status}. Reload the page and try again.`, "error");
});
// A fragment request that was led to the login page means that the session has ended. A form that is being filled in
// stays as it is, and goes on once its reader has logged in elsewhere.
let loggedOut = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { pathname } = new URL(detail.xhr.responseURL || location.href);
  if (pathname !== "/login") return loggedOut?.remove();
  detail.shouldSwap = false;
  if (!detail.requestConfig.elt.matches("form")) return location.reload();
  if (loggedOut?.isConnected) return; // it may be being clicked
  const link = Object.assign(document.createElement("a"), { href: pathname, target: "_blank", textContent: "Log in in another tab" });
  loggedOut = toast(["You are logged out. ", link, ", then go on here."], "warning");
});
box?.querySelectorAll(".toast").forEach(retire);
