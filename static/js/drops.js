// Menus that are <details>: a click beside one or Escape closes it, and only one is open.
const openOnes = () => document.querySelectorAll("details[data-drop][open]");

document.addEventListener("click", ({ target }) => {
  for (const drop of openOnes()) if (!drop.contains(target)) drop.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const drop of openOnes()) {
    drop.open = false;
    drop.querySelector("summary").focus();
  }
});
