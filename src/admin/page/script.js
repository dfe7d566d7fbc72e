// Keeps the page up to date. The server renders all of it; here, what has changed is put in the
// place of what was there.
"use strict";

const updates = document.getElementById("updates");
const connection = document.getElementById("connection");
let events = null;

/** Shows what a newly rendered page says. */
function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const changed = next.getElementById(part.id);
    // What is the same is left alone, so that nothing is read out twice and no selection is lost.
    if (changed && changed.innerHTML !== part.innerHTML) {
      part.replaceChildren(...changed.childNodes);
    }
  }
  document.title = next.title;
}

function say(text) {
  connection.textContent = text;
  connection.hidden = text === "";
}

function follow() {
  events = new EventSource("/api/events");
  events.addEventListener("page", (event) => {
    say("");
    show(event.data);
  });
  events.addEventListener("error", () => {
    const now = new Date().toLocaleTimeString();
    if (connection.hidden) {
      say(`Vectide does not answer since ${now}. What is below is how it was then; trying again.`);
    }
    // After an answer that was no stream, such as when too many watch, the browser does not try again.
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(() => { if (updates.getAttribute("aria-pressed") === "false") follow(); }, 5000);
    }
  });
}

updates.hidden = false;
updates.addEventListener("click", () => {
  const hold = updates.getAttribute("aria-pressed") === "false";
  updates.setAttribute("aria-pressed", String(hold));
  events.close();
  if (hold) {
    say(`Updates are held since ${new Date().toLocaleTimeString()}.`);
  } else {
    say("");
    follow();
  }
});
follow();
