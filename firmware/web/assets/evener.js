// Makes the pages livelier; every one of them works without it.
"use strict";

// What changes by itself (elements with data-live) is replaced every two seconds by the same page's newest.
const LIVE_EVERY_MS = 2000;

async function refresh() {
  if (document.hidden || document.querySelector("dialog[open]")) return;
  const live = document.querySelectorAll("[data-live]");
  if (live.length === 0) return;
  let answer;
  try {
    answer = await fetch(location.pathname, {
      headers: { "X-Evener-Live": "1" }, redirect: "manual", cache: "no-store",
      signal: AbortSignal.timeout(8000),
    });
  } catch {
    document.body.classList.add("lost");
    return;
  }
  document.body.classList.remove("lost");
  // The session is over, or what the page shows is gone: ask for it again as a whole, once.
  if (answer.status === 401 || answer.status === 404 || answer.type === "opaqueredirect") {
    location.reload();
    return;
  }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of live) {
    const now = page.getElementById(old.id);
    // Left alone while nothing changed, and while somebody marks text in it.
    if (!now || old.innerHTML === now.innerHTML) continue;
    const marked = getSelection();
    if (!marked.isCollapsed && marked.containsNode(old, true)) continue;
    // Who stands on a link or button goes on standing there.
    const at = [...old.querySelectorAll("a, button")].indexOf(document.activeElement);
    old.replaceChildren(...now.childNodes);
    if (at >= 0) old.querySelectorAll("a, button")[at]?.focus({ preventScroll: true });
  }
}

async function live() {
  await refresh();
  setTimeout(live, LIVE_EVERY_MS);
}
if (document.querySelector("[data-live]")) setTimeout(live, LIVE_EVERY_MS);

// Asks for certain on the same page: the question is that of the page the link leads to.
async function ask(link) {
  const answer = await fetch(link.href, { cache: "no-store", redirect: "error" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const question = page.querySelector("[data-confirm]");
  if (!answer.ok || !question) throw new Error("no question");
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "question");
  question.querySelector("h1").id = "question";
  dialog.append(...question.childNodes);
  dialog.querySelector("[data-cancel]").addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("[data-cancel]").focus();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  ask(link).catch(() => { location.href = link.href; });
});

// Shows those inputs only that count for what is chosen: data-shown="<name> <value> <value>…".
function show() {
  for (const part of document.querySelectorAll("[data-shown]")) {
    const [name, ...values] = part.dataset.shown.split(" ");
    const input = document.querySelector(`select[name="${name}"], input[name="${name}"]:checked`);
    part.hidden = Boolean(input) && !values.includes(input.value);
  }
}
if (document.querySelector("[data-shown]")) {
  document.addEventListener("change", show);
  show();
}

// A form sent twice would add twice.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// What is wrong is where to look first.
document.getElementById("summary")?.focus();

// Goes on when the unit is back. Log-ins end with the run of the unit: as long as ours counts, it is still the old one.
const waiting = document.querySelector("[data-reconnect]");
if (waiting) {
  setInterval(async () => {
    try {
      const answer = await fetch("/system", {
        headers: { "X-Evener-Live": "1" }, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(2500),
      });
      if (answer.status === 401) location.href = waiting.dataset.reconnect;
    } catch {
      // It is away: that is what we wait for the end of.
    }
  }, 3000);
}
