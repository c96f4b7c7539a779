// The help assistant as a panel beside the page one is on. It is the assistant's own page, fetched once.

const panel = document.getElementById("ask-panel");
const body = document.getElementById("ask-body");
let opener;

const field = () => body.querySelector("#assistant-question");

export function toggle(link) {
  opener = link;
  if (panel.hidden) open(); else close();
}

async function open() {
  panel.hidden = false;
  opener.setAttribute("aria-expanded", "true");
  if (!field()) await htmx.ajax("GET", opener.href, { target: body, select: "#assistant", swap: "innerHTML" });
  field()?.focus();
}

function close() {
  panel.hidden = true;
  opener.setAttribute("aria-expanded", "false");
  opener.focus();
}

panel.querySelector("[data-assistant-close]").addEventListener("click", close);
panel.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
