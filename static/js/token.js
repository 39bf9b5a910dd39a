// The token against forged requests changes with every login, in whatever tab: what a page sends carries that of now.
const NAME = "csrfmiddlewaretoken";

/** The token that holds now; where the site keeps the cookie from scripts, the one that the page came with. */
export function token() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? document.getElementsByName(NAME)[0]?.value;
}

document.addEventListener("submit", ({ target }) => {
  const input = target.elements.namedItem(NAME);
  if (input) input.value = token();
}, true);
document.addEventListener("htmx:configRequest", ({ detail }) => {
  detail.headers["X-CSRFToken"] = token();
  if (detail.formData.has(NAME)) detail.formData.set(NAME, token());
});
