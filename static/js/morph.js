// Changes a piece of the page into what the server sent, touching only what differs: focus, selection, open details
// and ticked boxes stay. Elements are the same if their data-key (or id) is; without one, by position and name.

const KEPT = new Set(["open"]); // attributes that belong to the reader

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset?.key || node.id || "" : "";
}

function isSame(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (!KEPT.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

/** Makes `old` look like `fresh`, an element of the same name. */
export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    let match = at;
    while (match && !isSame(match, wanted)) match = match.nextSibling;
    if (!match) {
      old.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    while (at !== match) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    if (match.nodeType === Node.ELEMENT_NODE) morph(match, wanted);
    else if (match.data !== wanted.data) match.data = wanted.data;
    at = match.nextSibling;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** The fragment behind a URL as a list of elements; null where the server did not give one. */
export async function fetchFragment(url, wrap = (html) => html) {
  try {
    const answer = await fetch(url, { headers: { "HX-Request": "true" }, redirect: "error" });
    if (answer.status !== 200) return null;
    return new DOMParser().parseFromString(wrap(await answer.text()), "text/html").body;
  } catch {
    return null; // the live mark says so; the next change or poll asks again
  }
}
