// A link to a folded part of the page opens it.
function open() {
  const details = document.getElementById(location.hash.slice(1));
  if (details instanceof HTMLDetailsElement) details.open = true;
}

// Also where the address names the part already, and so does not change.
addEventListener("click", (event) => { if (event.target.closest?.("a[href*='#']")) setTimeout(open); });
addEventListener("hashchange", open);
open();
