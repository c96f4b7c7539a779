// What changes while somebody looks changes in front of them. The line says only what to look at
// again; each part with data-look then asks for itself, and comes as the page was made.

const { live: address, known: made } = document.body.dataset;
const line = document.getElementById("live-line");
const SECONDS = { patience: 3, poll: 15, again: 10, most: 60, asleep: 60 };
const EVERYTHING = "everything";

let known = made;
let source;
let pauseSeconds = SECONDS.again;
let lostTimer;
let pollTimer;
let againTimer;
let sleepTimer;
let over = false;

function look(names) {
  document.querySelectorAll("[data-look]").forEach((part) => {
    const its = part.dataset.look.split(" ");
    if (names.includes(EVERYTHING) || its.some((name) => names.includes(name))) htmx.trigger(part, "look");
  });
  document.dispatchEvent(new CustomEvent("live:news", { detail: names }));
}

function say(text) {
  if (line.textContent !== text) line.textContent = text;
}

// The line is lost when it does not come back within a few seconds; then the page asks by itself.
function lose() {
  lostTimer ??= setTimeout(() => {
    say(line.dataset.lost);
    pollTimer ??= setInterval(() => look([EVERYTHING]), SECONDS.poll * 1000);
  }, SECONDS.patience * 1000);
}

function found() {
  clearTimeout(lostTimer);
  clearInterval(pollTimer);
  lostTimer = pollTimer = undefined;
  pauseSeconds = SECONDS.again;
  say("");
}

function listen() {
  clearTimeout(againTimer);
  source?.close();
  if (over) return;
  const url = new URL(address, location.href);
  url.searchParams.set("after", known);
  source = new EventSource(url);
  source.onopen = found;
  source.onmessage = (event) => {
    known = event.lastEventId;
    look(event.data.split(" "));
  };
  source.onerror = () => {
    lose();
    // The browser comes back by itself, unless it was refused.
    if (source.readyState !== EventSource.CLOSED) return;
    againTimer = setTimeout(listen, pauseSeconds * 1000);
    pauseSeconds = Math.min(pauseSeconds * 2, SECONDS.most);
  };
}

function rest() {
  source?.close();
  clearTimeout(againTimer);
  clearTimeout(lostTimer);
  clearInterval(pollTimer);
  lostTimer = pollTimer = undefined;
}

// Who was logged out meanwhile is led to the log-in; the page stays as it is and says so.
function end() {
  over = true;
  rest();
  say(line.dataset.ended);
}

// A window in the background gives its line back, of which a browser has only six for a site.
document.addEventListener("visibilitychange", () => {
  clearTimeout(sleepTimer);
  if (document.hidden) sleepTimer = setTimeout(rest, SECONDS.asleep * 1000);
  else if (source?.readyState === EventSource.CLOSED) listen();
});
window.addEventListener("pagehide", rest);
window.addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
window.addEventListener("online", listen);

// -- Parts that ask for themselves ------------------------------------------------------------

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type === "look") event.detail.headers["Doorstep-Look"] = "1";
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig, serverResponse, xhr } = event.detail;
  if (!("Doorstep-Look" in requestConfig.headers)) return;
  const asked = new URL(requestConfig.path, location.href).pathname;
  const elsewhere = new URL(xhr.responseURL, location.href).pathname !== asked;
  if (xhr.status === 401 || elsewhere) {
    event.detail.shouldSwap = false;
    end();
  } else if (target.hasAttribute("hx-select") && !serverResponse.includes(`id="${target.id}"`)) {
    event.detail.shouldSwap = false;
  }
});

// What could not be asked for, although the line still spoke of it, is asked for again.
document.addEventListener("htmx:sendError", (event) => {
  const { target } = event.detail;
  if (target.dataset.look) setTimeout(() => htmx.trigger(target, "look"), SECONDS.patience * 1000);
});

const isField = (node) => node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement || node instanceof HTMLSelectElement;
function isTouched(field) {
  if (field.type === "hidden") return false;
  if (field instanceof HTMLSelectElement) return [...field.options].some((one) => one.selected !== one.defaultSelected);
  if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

// What somebody has typed, chosen or opened stays as they left it.
Object.assign(Idiomorph.defaults, { ignoreActiveValue: true });
Object.assign(Idiomorph.defaults.callbacks, {
  beforeNodeMorphed: (old) => !(isField(old) && isTouched(old)) && !(old instanceof Element && old.matches('[aria-busy="true"], [data-kept]')),
  beforeAttributeUpdated: (name, node) => !(name === "open" && node instanceof HTMLDetailsElement),
});

listen();
