// Parts of a page that go on: an element with an id and data-live="seconds" is replaced by the same element of the page
// as it is now. Without this script a page is as good, and is loaded again by hand.
"use strict";
(() => {
  const parts = [...document.querySelectorAll("[data-live]")];
  if (!parts.length) return;
  const seconds = Math.min(...parts.map((part) => Number(part.dataset.live)));
  let paused = false;
  let failures = 0;

  const control = document.createElement("p");
  control.className = "live";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  const state = document.createElement("span");
  state.setAttribute("role", "status");
  control.append(button, state);
  parts[0].before(control);
  const show = () => {
    button.textContent = paused ? "Resume updates" : "Pause updates";
    state.textContent = paused ? "" : failures ? "The dashboard does not answer; it is asked again." : "";
  };
  button.addEventListener("click", () => {
    paused = !paused;
    show();
  });

  const inUse = (part) => part.contains(document.activeElement) && document.activeElement !== document.body;
  const update = async () => {
    if (paused || document.hidden) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = page.getElementById(part.id);
        if (next && !inUse(part) && next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
      }
      failures = 0;
    } catch {
      failures += 1;
    }
    show();
  };
  const again = async () => {
    await update();
    setTimeout(again, 1000 * seconds * Math.min(10, 1 + failures));
  };
  show();
  setTimeout(again, 1000 * seconds);
})();
