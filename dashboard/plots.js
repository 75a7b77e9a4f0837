// Plots over time by uPlot, in the page's colours, as wide as their place.
import {clock} from '/format.js';
import uPlot from '/uPlot.js';

// Asking for a colour makes the browser bring all styles up to date, so each is asked for once.
const colors = new Map();
const darkness = matchMedia('(prefers-color-scheme: dark)');
darkness.addEventListener('change', () => colors.clear());

export function color(name) {
  if (!colors.has(name)) colors.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return colors.get(name);
}

const clockOf = (time_s) => clock(time_s * 1000);

const axis = (extra = {}) => ({
  stroke: () => color('--muted'),
  grid: {stroke: () => color('--line'), width: 1},
  ticks: {stroke: () => color('--line'), width: 1},
  font: '11px system-ui',
  ...extra,
});

// lines: [{label, color: '--c1', fill?, value}]
export function timePlot(place, lines, format, {height = 200, stacked = false} = {}) {
  const series = lines.map((line) => ({
    label: line.label,
    stroke: () => color(line.color),
    fill: line.fill ? () => color(line.color) + (stacked ? '55' : '2e') : undefined,
    width: 1.5,
    points: {show: false},
    value: (plot, value, s, i) => {
      if (i == null || value == null) return '–';
      return format(stacked && s < plot.raw?.length ? plot.raw[s][i] : value);
    },
  }));
  const plot = new uPlot({
    width: Math.max(place.clientWidth, 200),
    height,
    padding: [8, 8, 0, 0],
    cursor: {y: false},
    scales: {x: {time: true}, y: {range: (u, low, high) => [0, high > 0 ? high * 1.15 : 1]}},
    bands: stacked ? lines.slice(1).map((line, i) => ({series: [i + 2, i + 1], fill: () => color(line.color) + '55'})) : undefined,
    axes: [axis({space: 80, values: (u, times) => times.map(clockOf)}), axis({size: 64, values: (u, values) => values.map(format)})],
    series: [{label: 'at', value: (u, t) => (t == null ? '–' : clockOf(t))}, ...series],
  }, [[], ...lines.map(() => [])], place);
  plot.ctx.canvas.setAttribute('role', 'img');
  plot.ctx.canvas.setAttribute('aria-label', `${lines.map((line) => line.label).join(', ')} over time`);
  new ResizeObserver(() => {
    const width = place.clientWidth;
    if (width > 0 && width !== plot.width) plot.setSize({width, height});
  }).observe(place);
  darkness.addEventListener('change', () => plot.redraw(false));
  return {
    show(times, values) {
      place.dataset.points = times.length;
      if (!stacked) return plot.setData([times, ...values]);
      plot.raw = [times, ...values];
      const sums = times.map(() => 0);
      const shown = values.map((one) => one.map((value, i) => (sums[i] += value)));
      plot.setData([times, ...shown]);
    },
  };
}
