// A conversation in front of both: what is new is asked for after the last message on the page and
// added in its order, so nothing is lost or doubled however often the line breaks.

const talk = document.getElementById("talk");
const list = document.getElementById("messages");
const form = document.getElementById("write");
const typing = document.getElementById("typing");
const { booking, seen: seenUrl } = talk.dataset;
const SECONDS = { typing: 5, between: 3 };

const all = (selector) => [...list.querySelectorAll(selector)];
const idOf = (item) => Number(item?.dataset.id ?? 0);
const look = () => htmx.trigger(talk, "look");

async function post(url, values) {
  const headers = { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content, "HX-Request": "true" };
  try {
    return (await fetch(url, { method: "POST", headers, body: new URLSearchParams(values) })).ok;
  } catch {
    return false;
  }
}

// -- What is new ------------------------------------------------------------------------------

const mark = () => document.getElementById("mark");
const isAtEnd = () => mark().getBoundingClientRect().top <= window.innerHeight;
const toEnd = () => mark().scrollIntoView({ block: "end" });

function add(answer) {
  const stays = isAtEnd();
  const fresh = answer.getElementById("messages");
  if (!fresh) return;
  for (const item of [...fresh.children]) {
    const known = document.getElementById(item.id);
    if (known) known.replaceWith(item);
    else if (idOf(item) > idOf(all("li").at(-1))) list.append(item);
  }
  mark().replaceWith(answer.getElementById("mark"));
  if (typing) typing.textContent = "";
  if (stays) toEnd();
  if ("more" in fresh.dataset) look();
  report();
}

talk.addEventListener("htmx:configRequest", (event) => { event.detail.parameters.after = idOf(all("li").at(-1)); });
talk.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, serverResponse } = event.detail;
  if (xhr.status === 200) add(new DOMParser().parseFromString(serverResponse, "text/html"));
});

// -- What has reached this page, and what was shown on it --------------------------------------

let read = Number(talk.dataset.read);
let received = read;

async function report() {
  const last = all("[data-theirs]").at(-1);
  if (!last) return;
  const box = last.getBoundingClientRect();
  const shown = !document.hidden && box.top < window.innerHeight && box.bottom > 0;
  const upto = idOf(last);
  if (upto <= (shown ? read : received)) return;
  received = upto;
  if (shown) read = upto;
  if (!await post(seenUrl, shown ? { upto, read: "1" } : { upto })) read = received = 0;
}

document.addEventListener("visibilitychange", report);
document.addEventListener("scroll", report, { passive: true });
// Who has the conversation before them needs no toast about it.
document.addEventListener("htmx:oobAfterSwap", () => {
  if (!document.hidden) document.querySelectorAll(`[data-toast][data-talk="${booking}"]`).forEach((one) => one.remove());
});

// -- Writing ----------------------------------------------------------------------------------

const newKey = () => [...crypto.getRandomValues(new Uint8Array(18))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function write() {
  const { text, key, picture } = form.elements;
  let sent = "";
  let typed = 0;
  let typingTimer;

  // The box is free at once for what comes next; what could not be sent comes back into it.
  form.addEventListener("htmx:beforeRequest", () => {
    sent = text.value;
    text.value = "";
    text.focus();
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    const { status } = event.detail.xhr;
    if (status === 204) {
      key.value = newKey();
      picture.value = "";
      document.getElementById("write-errors").textContent = "";
      look();
    } else {
      text.value = text.value ? `${sent}\n${text.value}` : sent;
      if (status === 409) location.reload();
    }
  });
  text.addEventListener("input", () => {
    if (!text.value || Date.now() - typed < SECONDS.between * 1000) return;
    typed = Date.now();
    post(form.dataset.typing, {});
  });
  document.addEventListener("live:news", (event) => {
    if (!event.detail.includes(`typing-${booking}`)) return;
    typing.textContent = typing.dataset.words;
    clearTimeout(typingTimer);
    typingTimer = setTimeout(() => { typing.textContent = ""; }, SECONDS.typing * 1000);
  });
}

if (typing) write();
toEnd();
report();
