const dark = window.matchMedia("(prefers-color-scheme: dark)");

// The page's own colours, so that charts follow its light and its dark side.
function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [ink, line, quiet] = ["--ink", "--line", "--quiet"].map((name) => style.getPropertyValue(name).trim());
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
  for (const chart of document.querySelectorAll(".chart")) {
    const figure = JSON.parse(chart.querySelector("script").textContent);
    Plotly.react(chart.querySelector(".plot"), figure.data, themed(figure.layout), {
      responsive: true, displayModeBar: false,
    });
  }
}

draw();
dark.addEventListener("change", draw);
