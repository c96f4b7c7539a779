// The customer's page while somebody is on the way: what was seen grows old without news, and where there is a
// map, it shows what the words beside it say.

import { leaflet } from "./leaflet.js";

const SECONDS_TO_GROW_OLD = 30;
const CLOSEST = 15;

let map;
let marker;

const part = () => document.getElementById("whereabouts");
const point = (text) => text.split(",").map(Number);

function pin(kind) {
  return { icon: L.divIcon({ className: `map-pin map-pin-${kind}`, iconSize: [20, 20] }), interactive: false, keyboard: false };
}

function make(box, professional, place) {
  const moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  box.hidden = false;
  // The page scrolls past it: one finger, or the wheel, is not for the map.
  map = L.map(box, {
    attributionControl: false, zoomControl: false, scrollWheelZoom: false, dragging: !L.Browser.mobile,
    zoomAnimation: moving, fadeAnimation: moving, markerZoomAnimation: moving,
  });
  L.control.zoom({ zoomInTitle: box.dataset.closer, zoomOutTitle: box.dataset.farther }).addTo(map);
  L.tileLayer(box.dataset.map).addTo(map);
  L.marker(place, pin("place")).addTo(map);
  marker = L.marker(professional, pin("professional")).addTo(map);
}

async function draw() {
  const box = part()?.querySelector("[data-map]");
  if (map && map.getContainer() !== box) {
    map.remove();
    map = undefined;
  }
  if (!box) return;
  try {
    await leaflet(box.dataset);
  } catch {
    return; // The words say it all.
  }
  if (!box.isConnected) return;
  const { professional, place } = part().dataset;
  const both = [point(professional), point(place)];
  const first = !map;
  if (first) make(box, ...both);
  marker.setLatLng(both[0]);
  // Whoever has moved the map keeps it so, as long as the other is on it.
  if (first || !map.getBounds().contains(both[0])) map.fitBounds(both, { padding: [32, 32], maxZoom: CLOSEST, animate: false });
}

setInterval(() => { if (part()?.dataset.professional && !document.hidden) htmx.trigger(part(), "look"); }, SECONDS_TO_GROW_OLD * 1000);
document.addEventListener("htmx:afterSwap", draw);
draw();
