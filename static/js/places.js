// The admin's map of places: where the operator has set a server of maps, the dots of the drawing on its pictures.

import { leaflet } from "./leaflet.js";

const CLOSEST = 13;

async function draw(box, drawing) {
  try {
    await leaflet(box.dataset);
  } catch {
    return; // The drawing says it all.
  }
  const moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  box.hidden = false;
  drawing.toggleAttribute("hidden", true);
  const map = L.map(box, {
    attributionControl: false, zoomControl: false, scrollWheelZoom: false, dragging: !L.Browser.mobile,
    zoomAnimation: moving, fadeAnimation: moving, markerZoomAnimation: moving,
  });
  L.control.zoom({ zoomInTitle: box.dataset.closer, zoomOutTitle: box.dataset.farther }).addTo(map);
  L.tileLayer(box.dataset.map).addTo(map);
  const dots = [...drawing.querySelectorAll("circle")].map((dot) =>
    L.circleMarker(dot.dataset.point.split(",").map(Number), { radius: Number(dot.getAttribute("r")), className: "map-dot", weight: 1 })
      .bindTooltip(dot.textContent));
  map.fitBounds(L.featureGroup(dots).addTo(map).getBounds(), { padding: [24, 24], maxZoom: CLOSEST, animate: false });
}

const box = document.querySelector("[data-map]");
if (box) draw(box, document.querySelector(".dot-map"));
