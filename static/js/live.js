// What changes while somebody looks changes in front of them. The line says only what to look at
// again; each part with data-look then asks for itself, and comes as the page was made.

const { live: address, known: made } = document.body.dataset;
const line = document.getElementById("live-line");
const SECONDS = { patience: 3, silence: 40, poll: 15, again: 10, most: 60, asleep: 60 };
const EVERYTHING = "everything";
// A browser opens six connections to a site, and pages need some of them: more windows than this poll.
const LINES = ["line-1", "line-2", "line-3", "line-4"];

let known = made;
let source;
let giveBack;
let pauseSeconds = SECONDS.again;
let silenceTimer;
let lostTimer;
let pollTimer;
let againTimer;
let sleepTimer;
let retryTimer;
let leavingTimer;
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
    look([EVERYTHING]);
    pollTimer = setInterval(() => look([EVERYTHING]), SECONDS.poll * 1000);
  }, SECONDS.patience * 1000);
}

function stopAsking() {
  clearTimeout(lostTimer);
  clearInterval(pollTimer);
  lostTimer = pollTimer = undefined;
}

// A line that was cut without a word says nothing any more, not even its pings.
function hear() {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(() => {
    lose();
    connect();
  }, SECONDS.silence * 1000);
}

function connect() {
  clearTimeout(againTimer);
  clearTimeout(silenceTimer);
  source?.close();
  const url = new URL(address, location.href);
  url.searchParams.set("after", known);
  source = new EventSource(url);
  source.addEventListener("ping", hear);
  source.onopen = () => {
    hear();
    stopAsking();
    pauseSeconds = SECONDS.again;
    say("");
  };
  source.onmessage = (event) => {
    hear();
    known = event.lastEventId;
    look(event.data.split(" "));
  };
  source.onerror = () => {
    lose();
    // The browser comes back by itself, unless it was refused: then who asks again hears why.
    if (source.readyState !== EventSource.CLOSED) return;
    look([EVERYTHING]);
    againTimer = setTimeout(connect, pauseSeconds * 1000);
    pauseSeconds = Math.min(pauseSeconds * 2, SECONDS.most);
  };
}

// Open a line, as soon as this window may have one; until then it is as good as lost.
function listen() {
  if (over || document.hidden) return;
  if (!navigator.locks) connect();
  else if (!giveBack) wait();
  else if (source) connect();
}

function wait() {
  lose();
  const waiting = new AbortController();
  giveBack = () => waiting.abort();
  LINES.forEach((name) => navigator.locks.request(name, { signal: waiting.signal }, () => {
    // Perhaps another came first, or the window rests again.
    if (waiting.signal.aborted) return undefined;
    waiting.abort();
    connect();
    return new Promise((resolve) => { giveBack = resolve; });
  }).catch(() => {}));
}

function rest() {
  source?.close();
  giveBack?.();
  source = giveBack = undefined;
  [silenceTimer, againTimer, retryTimer].forEach(clearTimeout);
  stopAsking();
}

// Who was logged out meanwhile is led to the log-in; the page stays as it is and says so.
function end() {
  over = true;
  rest();
  say(line.dataset.ended);
}

// A window in the background gives its line back after a while, and one that begins there waits.
document.addEventListener("visibilitychange", () => {
  clearTimeout(sleepTimer);
  if (document.hidden) sleepTimer = setTimeout(rest, SECONDS.asleep * 1000);
  else if (!source || source.readyState === EventSource.CLOSED) listen();
});
window.addEventListener("pagehide", rest);
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  listen();
  stay();
});
window.addEventListener("online", listen);
window.addEventListener("offline", lose);

// -- Parts that ask for themselves ------------------------------------------------------------

// What a form changes is for the page that answers it: the one that sent it does not ask any more, nor wait
// for what it asked. Here, at the end of its way, it is known whether a submit leaves the page.
window.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.target === "_blank") return;
  clearTimeout(leavingTimer);
  leavingTimer = setTimeout(stay, SECONDS.again * 1000);
  document.querySelectorAll(".htmx-request").forEach((part) => htmx.trigger(part, "htmx:abort"));
});

// The page is still there after a download or on a dead network, or again: what it did not ask, it asks now.
function stay() {
  if (!leavingTimer) return;
  clearTimeout(leavingTimer);
  leavingTimer = undefined;
  look([EVERYTHING]);
}

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type !== "look") return;
  if (leavingTimer) {
    event.preventDefault();
    return;
  }
  event.detail.headers["Doorstep-Look"] = "1";
  event.detail.timeout = SECONDS.again * 1000;
});
// What could not be had just now is asked for again.
["htmx:sendError", "htmx:timeout", "htmx:responseError"].forEach((name) => document.addEventListener(name, (event) => {
  const { target, xhr } = event.detail;
  if (!target.dataset.look || [403, 404].includes(xhr.status) || over) return;
  clearTimeout(retryTimer);
  retryTimer = setTimeout(() => look([EVERYTHING]), SECONDS.patience * 1000);
}));
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

// What has the focus stays where it is in the window, whatever comes or goes above it.
let held;
document.addEventListener("htmx:beforeSwap", (event) => {
  const focused = document.activeElement;
  const stays = event.detail.shouldSwap && "Doorstep-Look" in event.detail.requestConfig.headers && focused !== document.body;
  held = stays ? { focused, top: focused.getBoundingClientRect().top } : undefined;
});
document.addEventListener("htmx:afterSwap", () => {
  if (held?.focused.isConnected) scrollBy({ top: held.focused.getBoundingClientRect().top - held.top, behavior: "instant" });
  held = undefined;
});

const isField = (node) => node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement || node instanceof HTMLSelectElement;
// A form that was refused holds what was typed as if the page had come with it.
const isRefused = (node) => node instanceof HTMLFormElement && node.querySelector('[aria-invalid="true"]');
function isTouched(field) {
  if (field.type === "hidden") return false;
  if (field instanceof HTMLSelectElement) return [...field.options].some((one) => one.selected !== one.defaultSelected);
  if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

// Who stands on what is gone keeps their place: it is shut when they move on.
function shutLater(field) {
  if (field.type === "radio") field.checked = false;
  field.addEventListener("blur", () => { field.disabled = true; }, { once: true });
}

// What somebody has typed, chosen or opened stays as they left it, unless it cannot be had any more.
Object.assign(Idiomorph.defaults.callbacks, {
  beforeNodeMorphed: (old, fresh) =>
    !(isField(old) && isTouched(old) && !fresh.disabled) && !isRefused(old) && !(old instanceof Element && old.matches('[aria-busy="true"], [data-kept]')),
  beforeAttributeUpdated: (name, node, change) => {
    if (name === "open") return !(node instanceof HTMLDetailsElement);
    if (node !== document.activeElement) return true;
    if (name === "disabled" && change === "update") {
      shutLater(node);
      return false;
    }
    return name !== "value";
  },
});

listen();
