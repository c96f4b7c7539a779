// What every page gets on top of plain HTML. Nothing here is needed for a page to work.

const announcer = document.getElementById("announcer");

function announce(text) {
  announcer.textContent = "";
  // A live region speaks when it changes, so the same words twice need a gap between.
  setTimeout(() => { announcer.textContent = text; }, 100);
}

function toast(text) {
  const box = document.createElement("div");
  box.className = "flash flash-error";
  const words = document.createElement("p");
  words.textContent = text;
  box.append(words);
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), 10000);
}

// What came by itself goes by itself, but stays while it is read: under the mouse, or with the keyboard in it.
const SECONDS_OF_A_TOAST = 12;
function fade(box) {
  box.dataset.fades = "";
  setTimeout(() => { if (box.matches(":hover, :focus-within")) fade(box); else box.remove(); }, SECONDS_OF_A_TOAST * 1000);
}

function welcome(root) {
  root.querySelectorAll("[data-close]").forEach((button) => { button.hidden = false; });
  // Only pages over https may reach the clipboard.
  if (navigator.clipboard) root.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
  // What changes by itself takes nobody's place away from them.
  if (!root.dataset?.look) root.querySelector("[data-focus]")?.focus();
}

async function copy(button) {
  const field = document.getElementById(button.dataset.copy);
  field.select();
  await navigator.clipboard.writeText(field.value);
  button.textContent = button.dataset.copied;
  announce(button.dataset.copied);
}

// A button that was pressed waits for the answer; the next page, or coming back, frees it.
function hold(form, submitter) {
  form.setAttribute("aria-busy", "true");
  submitter?.setAttribute("aria-busy", "true");
  // Later, because a disabled button would not be sent along with the form.
  setTimeout(() => { if (submitter) submitter.disabled = true; });
}

function release() {
  document.querySelectorAll('[aria-busy="true"]').forEach((element) => {
    element.removeAttribute("aria-busy");
    if ("disabled" in element) element.disabled = false;
  });
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.hasAttribute("data-no-busy") || form.target === "_blank") return;
  if (form.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  hold(form, event.submitter);
});
window.addEventListener("pageshow", (event) => { if (event.persisted) release(); });

document.addEventListener("click", (event) => {
  event.target.closest?.("[data-close]")?.closest(".flash")?.remove();
  const copied = event.target.closest?.("[data-copy]");
  if (copied) copy(copied);
  document.querySelectorAll("[data-menu][open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll("[data-menu][open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  if (token && event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token;

  // A PIN code is looked up once six digits stand there; its place is part of the address.
  const lookup = event.target.dataset?.pincode;
  if (lookup === undefined) return;
  const pin = event.target.value.trim();
  if (!/^[1-9]\d{5}$/.test(pin)) {
    event.preventDefault();
    return;
  }
  event.detail.path = `${lookup.replace(/\/$/, "")}/${pin}`;
  for (const name of [...Object.keys(event.detail.parameters)]) delete event.detail.parameters[name];
});

// What parts of a page say of themselves, such as how far a file is, is read out when it changes.
const said = new Map();
function readNews() {
  document.querySelectorAll("[data-says]").forEach((part) => {
    const words = part.textContent.trim();
    if (said.has(part.id) && said.get(part.id) !== words) announce(words);
    said.set(part.id, words);
  });
}

document.addEventListener("htmx:afterSwap", (event) => {
  welcome(event.detail.target);
  readNews();
});
// More than a few would hide the page; the bell counts them all.
const MOST_TOASTS = 3;
function fadeToasts() {
  const boxes = [...document.querySelectorAll("[data-toast]")];
  boxes.slice(0, -MOST_TOASTS).filter((box) => !box.matches(":focus-within")).forEach((box) => box.remove());
  boxes.filter((box) => !("fades" in box.dataset)).forEach(fade);
}
document.addEventListener("htmx:oobAfterSwap", fadeToasts);
document.addEventListener("htmx:responseError", (event) => {
  // Nobody asked for this; a line on the page says so if it lasts.
  if (event.detail.target.dataset.look) return;
  const { slowDown, busy, trouble } = document.body.dataset;
  toast({ 429: slowDown, 503: busy }[event.detail.xhr.status] ?? trouble);
});
document.addEventListener("htmx:sendError", (event) => {
  if (!event.detail.target.dataset.look) toast(document.body.dataset.offline);
});

welcome(document);
readNews();
const messages = [...document.querySelectorAll("main [data-announce] p")].map((p) => p.textContent.trim());
if (messages.length) announce(messages.join(" "));

// -- The help assistant ------------------------------------------------------------------------

// Its script comes when somebody opens it; without any, the link leads to its page.
document.querySelector("[data-assistant]")?.addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const link = event.currentTarget;
  const { toggle } = await import(link.dataset.assistant);
  toggle(link);
});

// An answer is shown from its question on, and the field is free for the next.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "assistant-log") return;
  event.detail.target.querySelector(".turn:last-of-type")?.scrollIntoView({ block: "nearest" });
  const question = document.getElementById("assistant-question");
  if (event.detail.requestConfig?.elt.contains(question)) question.value = "";
  question.focus({ preventScroll: true });
});
