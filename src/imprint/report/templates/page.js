const PAPER = 660; // pixels of a chart's width, when printed
let onPaper = false;
const dark = window.matchMedia("(prefers-color-scheme: dark)");

// The page's own colours, so that charts follow its light and its dark side.
function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const own = ["--ink", "--line", "--quiet"].map((name) => style.getPropertyValue(name).trim());
  const [ink, line, quiet] = onPaper ? ["#1d2126", "#dfe3e6", "#5c6670"] : own;
  const colours = { gridcolor: line, linecolor: line, tickcolor: line, zerolinecolor: quiet };
  const axis = (own) => ({ ...own, ...colours });
  return {
    ...layout,
    xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, size: 13, family: "system-ui, sans-serif" },
  };
}

function draw() {
  for (const frame of document.querySelectorAll(".map")) drawMap(frame);
  for (const chart of document.querySelectorAll(".chart:not(.map)")) {
    const figure = JSON.parse(chart.querySelector("script").textContent);
    const layout = { ...figure.layout, width: onPaper ? PAPER : undefined };
    Plotly.react(chart.querySelector(".plot"), figure.data, themed(layout), {
      responsive: true, displayModeBar: false,
    });
  }
}


// A map of images: a trace a class, rings for outliers and crosses for suspects, a sprite on hover.
function traces(map) {
  const rows = map.classes.map(() => []);
  map.labels.forEach((label, point) => rows[label].push(point));
  const pick = (points) => ({
    type: "scattergl", mode: "markers", hoverinfo: "none",
    x: points.map((p) => map.x[p]), y: points.map((p) => map.y[p]), customdata: points,
  });
  const size = map.x.length > 20000 ? 3 : map.x.length > 2000 ? 4 : 7;
  const classes = rows.map((points, k) => ({
    ...pick(points), name: map.classes[k], legendgroup: `c${k}`,
    marker: { color: map.colours[k], size, opacity: 0.7 },
  }));
  const marked = (bit) => map.marks.flatMap((mark, point) => (mark & bit ? [point] : []));
  const mark = (bit, name, symbol, color) => ({
    ...pick(marked(bit)), name, visible: map.x.length > 5000 ? "legendonly" : true,
    marker: { color, size: 9, symbol, line: { width: 1.5, color } },
  });
  return [...classes, mark(1, "outlier", "circle-open", "#888888"), mark(2, "label issue", "x-thin-open", "#d7263d")]
    .filter((trace) => trace.x.length);
}

const sheets = new Map();
function sprite(map, point, canvas) {
  const perSheet = map.across * map.across;
  const number = Math.floor(point / perSheet), place = point % perSheet;
  if (!sheets.has(number)) {
    const image = new Image();
    image.src = `data:image/webp;base64,${map.sheets[number]}`;
    sheets.set(number, image);
  }
  const image = sheets.get(number), context = canvas.getContext("2d");
  const paint = () => {
    context.imageSmoothingEnabled = false;
    const [left, top] = [(place % map.across) * map.tile, Math.floor(place / map.across) * map.tile];
    context.drawImage(image, left, top, map.tile, map.tile, 0, 0, canvas.width, canvas.height);
  };
  if (image.complete) paint(); else image.addEventListener("load", paint, { once: true });
}

function drawMap(frame) {
  const map = frame.data ??= JSON.parse(frame.querySelector("script").textContent);
  const plot = frame.querySelector(".plot"), peek = frame.querySelector(".peek");
  const axis = (n) => ({ title: { text: `${map.method} ${n} (no unit)` }, zeroline: false, automargin: true });
  const layout = themed({
    width: onPaper ? PAPER : undefined, height: 640, margin: { l: 8, r: 8, t: 8, b: 8 }, dragmode: "pan", hovermode: "closest",
    xaxis: axis(1), yaxis: axis(2),
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemsizing: "constant" },
  });
  Plotly.react(plot, traces(map), layout, { responsive: true, displayModeBar: false, scrollZoom: true });
  if (frame.listening) return;
  frame.listening = true;
  plot.on("plotly_hover", (event) => {
    const point = event.points[0].customdata, box = frame.getBoundingClientRect();
    sprite(map, point, peek.querySelector("canvas"));
    peek.querySelector("p").textContent = map.names[point];
    peek.hidden = false;
    const [x, y] = [event.event.clientX - box.left, event.event.clientY - box.top];
    peek.style.left = `${x + 150 > box.width ? x - 146 : x + 16}px`;
    peek.style.top = `${Math.min(y + 16, box.height - 190)}px`;
  });
  plot.on("plotly_unhover", () => { peek.hidden = true; });
}

draw();
dark.addEventListener("change", draw);

// On paper all that is folded stands open, and charts are light and as wide as the page.
const folded = new Set();
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) { folded.add(part); part.open = true; }
  onPaper = true;
  draw();
});
window.addEventListener("afterprint", () => {
  for (const part of folded) part.open = false;
  folded.clear();
  onPaper = false;
  draw();
});
