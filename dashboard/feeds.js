import {count, duration, milliseconds} from '/format.js';
import {card, h, setText, table} from '/dom.js';
import {color} from '/plots.js';

const rareTypes = {candle: 12, funding_rate: 12, open_interest: 12, liquidation: Infinity};
const size = 12;  // of a stream's cell, with its gap
let parts;
let limits = {late_after_s: 5, stale_after_s: 15};

export function build(section) {
  parts = {
    feeds: table([
      {title: 'Exchange', text: (f) => f.exchange, health: (f) => f.health},
      {title: 'Data', text: (f) => f.data_type},
      {title: 'Market', text: (f) => f.market_type},
      {title: 'Age', text: (f) => duration(f.age_s), number: true},
      {title: 'Messages/s', text: (f) => count(f.messages_per_s), number: true},
      {title: 'Messages', text: (f) => count(f.messages), number: true},
      {title: 'Delay p50', text: (f) => milliseconds(f.delay.p50_ms), number: true},
      {title: 'p90', text: (f) => milliseconds(f.delay.p90_ms), number: true},
      {title: 'p99', text: (f) => milliseconds(f.delay.p99_ms), number: true},
      {title: 'Gaps', text: (f) => count(f.gaps), number: true},
      {title: 'Streams', text: (f) => count(f.streams), number: true},
      {title: 'Late', text: (f) => count(f.late), number: true},
      {title: 'Stale', text: (f) => count(f.stale), number: true},
    ], 'Feeds'),
    heat: h('canvas', {class: 'heat', role: 'img', 'aria-label': 'Age of the last message of each stream'}),
    caption: h('p', {class: 'caption'}),
    oldest: table([
      {title: 'Stream', text: (s) => s[1], health: (s) => healthOf(s)},
      {title: 'Exchange', text: (s) => s[0]},
      {title: 'Data', text: (s) => s[2]},
      {title: 'Age', text: (s) => duration(s[3]), number: true},
      {title: 'Events', text: (s) => count(s[4]), number: true},
    ], 'Streams that were silent longest'),
    gaps: table([
      {title: 'Exchange', text: (g) => g.exchange},
      {title: 'Data', text: (g) => g.data_type},
      {title: 'Reason', text: (g) => g.reason},
      {title: 'Gaps', text: (g) => count(g.count), number: true},
    ], 'Gaps by reason'),
    noGaps: h('p', {class: 'empty'}, 'No gaps'),
  };
  parts.heat.addEventListener('mousemove', (event) => {
    const i = Math.floor(event.offsetY / size) * parts.columns + Math.floor(event.offsetX / size);
    const stream = parts.streams?.[i];
    parts.heat.title = stream ? `${stream[0]} ${stream[1]} ${stream[2]}: ${duration(stream[3])}` : '';
  });
  section.append(
    h('div', {class: 'grid'}, card('Feeds', parts.feeds.node)),
    h('div', {class: 'grid'}, card('Streams, by age of the last message', parts.heat, parts.caption)),
    h('div', {class: 'grid even'}, card('Silent longest', parts.oldest.node), card('Gaps', parts.gaps.node, parts.noGaps)));
  fetch('/api/v1/config').then((reply) => reply.json()).then((config) => (limits = config.admin));
}

function healthOf([, , type, age]) {
  const factor = rareTypes[type] ?? 1;
  if (factor === Infinity) return 'fresh';
  if (age < 0 || age >= limits.stale_after_s * factor) return 'stale';
  return age >= limits.late_after_s * factor ? 'late' : 'fresh';
}

function drawHeat(streams) {
  const {heat} = parts;
  const ratio = devicePixelRatio || 1;
  const width = heat.clientWidth;
  parts.columns = Math.max(1, Math.floor(width / size));
  const height = Math.max(1, Math.ceil(streams.length / parts.columns)) * size;
  if (heat.width !== width * ratio || heat.height !== height * ratio) {
    heat.width = width * ratio;
    heat.height = height * ratio;
    heat.style.height = `${height}px`;
  }
  const pen = heat.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const colors = {fresh: color('--fresh'), late: color('--late'), stale: color('--stale')};
  const counts = {fresh: 0, late: 0, stale: 0};
  streams.forEach((stream, i) => {
    const health = healthOf(stream);
    ++counts[health];
    pen.fillStyle = colors[health];
    pen.globalAlpha = health === 'fresh' ? 1 - 0.6 * Math.min(1, stream[3] / limits.late_after_s) : 1;
    pen.fillRect((i % parts.columns) * size, Math.floor(i / parts.columns) * size, size - 2, size - 2);
  });
  setText(parts.caption, `${streams.length} streams: ${counts.fresh} fresh, ${counts.late} late, ${counts.stale} stale. A paler cell has waited longer.`);
}

export function show({feeds, gaps}) {
  parts.feeds.show(feeds.feeds, (f) => `${f.exchange}/${f.data_type}`);
  parts.streams = feeds.streams;
  drawHeat(feeds.streams);
  const silence = (s) => (s[3] < 0 ? Infinity : s[3]);
  parts.oldest.show([...feeds.streams].sort((a, b) => silence(b) - silence(a)).slice(0, 15), (s) => s.slice(0, 3).join('/'));
  parts.gaps.show(gaps.counts, (g) => `${g.exchange}/${g.data_type}/${g.reason}`);
  parts.noGaps.hidden = gaps.counts.length > 0;
}
