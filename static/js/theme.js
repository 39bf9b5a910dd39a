// The theme changes at once; the cookie lets the server draw the next page in it.

const root = document.documentElement;

document.querySelector("[data-theme-form]")?.addEventListener("submit", (event) => {
  const chosen = event.submitter?.value ?? "";
  event.preventDefault();
  if (chosen) root.dataset.theme = chosen;
  else delete root.dataset.theme;
  document.cookie = `theme=${chosen}; path=/; max-age=${chosen ? 31536000 : 0}; samesite=lax`;
  for (const button of event.currentTarget.querySelectorAll("[name=theme]")) {
    button.setAttribute("aria-pressed", String(button.value === chosen));
  }
});
