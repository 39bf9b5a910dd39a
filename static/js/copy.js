// <button data-copy="text"> copies it and says so for 1.5 s.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button || button.dataset.copied !== undefined) return;
  const word = button.querySelector("[data-copy-word]") ?? button;
  const before = word.textContent;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    said = "Not copied";
  }
  button.dataset.copied = "";
  word.textContent = said;
  setTimeout(() => {
    word.textContent = before;
    delete button.dataset.copied;
  }, 1500);
});
