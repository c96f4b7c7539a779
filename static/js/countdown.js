// Time that runs out in front of somebody: minutes, and in the last one seconds. What the server has
// written is how much was left, so a clock that is wrong here does not matter.

const SECOND = 1000;
const begun = new WeakMap();

function left(part) {
  const seconds = Number(part.dataset.left);
  let known = begun.get(part);
  if (known?.seconds !== seconds) {
    known = { seconds, until: Date.now() + seconds * SECOND, over: false };
    begun.set(part, known);
  }
  return [Math.max(0, Math.ceil((known.until - Date.now()) / SECOND)), known];
}

function words(part, seconds) {
  const { hours, minutes, seconds: last } = part.dataset;
  if (seconds < 60) return last.replace("{s}", seconds);
  const [h, m] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return h ? hours.replace("{h}", h).replace("{m}", m) : minutes.replace("{m}", m);
}

function tick() {
  document.querySelectorAll("[data-left]").forEach((part) => {
    const [seconds, known] = left(part);
    const now = words(part, seconds);
    if (part.textContent !== now) part.textContent = now;
    if (seconds > 0 || known.over) return;
    known.over = true;
    const shown = part.closest("[data-look]");
    if (shown) htmx.trigger(shown, "look");
  });
}

setInterval(tick, SECOND);
document.addEventListener("htmx:afterSwap", tick);
tick();
