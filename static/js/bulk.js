// An action on all matching jobs: the page goes on by itself, a second of work at a time, until it is over or stopped.
const box = document.querySelector("[data-walk]");
let stopped = false;

const form = () => box.querySelector("[data-go-on]");

async function piece() {
  try {
    const answer = await fetch(form().action, {
      method: "POST", body: new FormData(form()), headers: { "HX-Request": "true" }, redirect: "error",
    });
    if (!answer.ok) return false;
    box.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
    return true;
  } catch {
    return false; // the button stays, for another try
  }
}

async function goOn() {
  stopped = false;
  while (form() && !stopped) {
    form().hidden = true;
    if (!await piece()) stopped = true;
  }
  if (!form()) return;
  form().hidden = false;
  box.querySelector("[data-stop]").textContent = "Back to the jobs";
}

box.addEventListener("submit", (event) => {
  event.preventDefault();
  goOn();
});
// While it works, the first press ends it after this piece, so that the page tells all that was done.
box.addEventListener("click", (event) => {
  const stop = event.target.closest("[data-stop]");
  if (!stop || stopped || !form()?.hidden) return;
  event.preventDefault();
  stopped = true;
  stop.textContent = "Stopping";
});
goOn();
