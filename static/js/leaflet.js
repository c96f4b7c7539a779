// Leaflet, fetched when the first map of a page is drawn.

let loading;

function load(element) {
  return new Promise((loaded, failed) => {
    element.onload = loaded;
    element.onerror = failed;
    document.head.append(element);
  });
}

export function leaflet({ script, style }) {
  loading ??= Promise.all([
    load(Object.assign(document.createElement("link"), { rel: "stylesheet", href: style })),
    load(Object.assign(document.createElement("script"), { src: script })),
  ]);
  return loading;
}
