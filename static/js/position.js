// The professional's phone on the way: asks once whether it may say where it is, and says so until the work
// starts. That they share it is known to the site; this page only does it while it is open.

const SECONDS = { pause: 5, still: 30, patience: 20 };
const METRES = 20;
const EXACT = { enableHighAccuracy: true, maximumAge: 5000, timeout: SECONDS.patience * 1000 };
const REFUSED = 1;

let address;
let watch;
let timer;
let newest;
let sent;
let sentAt = 0;

const card = () => document.getElementById("sharing");

function say(words) {
  const news = document.getElementById("sharing-news");
  if (news && news.textContent !== news.dataset[words]) news.textContent = news.dataset[words];
}

function fail(error) {
  say(error.code === REFUSED ? "refused" : "unavailable");
}

function metres(one, other) {
  const north = (other.latitude - one.latitude) * 111195;
  const east = (other.longitude - one.longitude) * 111195 * Math.cos(one.latitude * Math.PI / 180);
  return Math.hypot(north, east);
}

async function send(coords) {
  const body = new URLSearchParams({ lat: coords.latitude, lon: coords.longitude, accuracy: coords.accuracy });
  const token = document.querySelector('meta[name="csrf-token"]').content;
  [sent, sentAt] = [coords, Date.now()];
  try {
    const answer = await fetch(address, { method: "POST", body, headers: { "X-CSRFToken": token }, redirect: "manual" });
    // A server in trouble may be back soon; anything else that is not done is over.
    if (answer.status === 204) say("sent");
    else if (answer.status >= 500) say("lost");
    else stop("over");
  } catch {
    say("lost");
  }
}

// Somebody who stands still is asked anew: an old position is never sent as a new one.
function consider() {
  const seconds = (Date.now() - sentAt) / 1000;
  if (newest && newest !== sent && seconds >= SECONDS.pause && (!sent || metres(sent, newest) >= METRES)) {
    send(newest);
  } else if (sent && seconds >= SECONDS.still) {
    sentAt = Date.now();
    navigator.geolocation.getCurrentPosition(({ coords }) => { if (watch !== undefined) send(coords); }, fail, EXACT);
  }
}

function start(url) {
  address = url;
  say("waiting");
  watch = navigator.geolocation.watchPosition(({ coords }) => { newest = coords; consider(); }, fail, EXACT);
  timer = setInterval(consider, 1000);
}

function stop(words) {
  if (watch === undefined) return;
  navigator.geolocation.clearWatch(watch);
  clearInterval(timer);
  watch = newest = sent = undefined;
  sentAt = 0;
  if (words) say(words);
}

// The card says whether to share; it may have changed by itself.
function settle() {
  const url = card()?.dataset.send;
  if (!url) stop();
  else if (watch === undefined && url !== address) start(url);
  const button = document.querySelector("[data-share]");
  if (button) button.hidden = !navigator.geolocation;
}

// The browser asks first; the site learns of it when the person has agreed there too.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.closest("[data-share]") || form.dataset.agreed) return;
  event.preventDefault();
  event.stopPropagation();
  say("waiting");
  navigator.geolocation.getCurrentPosition(() => {
    form.dataset.agreed = "1";
    form.requestSubmit();
  }, fail, EXACT);
}, { capture: true });

document.addEventListener("htmx:afterSwap", settle);
settle();
