import {count, duration, milliseconds} from '/format.js';
import {card, h, setAttribute, setText, table} from '/dom.js';
import {healthOf, lateAfter, silentFor} from '/freshness.js';
import {color} from '/plots.js';

const order = {stale: 0, late: 1, fresh: 2};
const size = 12;  // of a stream's cell, with its gap
let parts;

export function build(section) {
  parts = {
    feeds: table([
      {title: 'Exchange', text: (f) => f.exchange, health: (f) => f.health},
      {title: 'Data', text: (f) => f.data_type},
      {title: 'Market', text: (f) => f.market_type},
      {title: 'Age', text: (f) => duration(f.age_s), number: true},
      {title: 'Messages/s', text: (f) => count(f.messages_per_s), number: true},
      {title: 'Messages', text: (f) => count(f.messages), number: true, field: 'messages'},
      {title: 'Delay p50', text: (f) => milliseconds(f.delay.p50_ms), number: true},
      {title: 'p90', text: (f) => milliseconds(f.delay.p90_ms), number: true},
      {title: 'p99', text: (f) => milliseconds(f.delay.p99_ms), number: true},
      {title: 'Gaps', text: (f) => count(f.gaps), number: true, field: 'gaps'},
      {title: 'Streams', text: (f) => count(f.streams), number: true, field: 'streams'},
      {title: 'Late', text: (f) => count(f.late), number: true, tone: (f) => (f.late > 0 ? 'late' : 'none')},
      {title: 'Stale', text: (f) => count(f.stale), number: true, tone: (f) => (f.stale > 0 ? 'stale' : 'none')},
    ], 'Feeds'),
    late: h('p', {class: 'lateness'}, h('span', {class: 'dot'}), document.createTextNode('')),
    heat: h('canvas', {class: 'heat', role: 'img', 'aria-label': 'Age of the last message of each stream'}),
    caption: h('p', {class: 'caption'}),
    oldest: table([
      {title: 'Stream', text: (s) => s.symbol, health: (s) => s.health},
      {title: 'Age', text: (s) => duration(s.age_s), number: true},
      {title: 'Data', text: (s) => s.type},
      {title: 'Exchange', text: (s) => s.exchange},
      {title: 'Events', text: (s) => count(s.events), number: true},
    ], 'Streams that were silent longest', 'ranks'),
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
    parts.heat.title = stream ? `${stream.exchange} ${stream.symbol} ${stream.type}: ${duration(stream.age_s)}` : '';
  });
  section.append(
    h('div', {class: 'grid'}, card('Feeds', parts.late, parts.feeds.node)),
    h('div', {class: 'grid'}, card('Streams, by age of the last message', parts.heat, parts.caption)),
    h('div', {class: 'grid even'}, card('Silent longest', parts.oldest.node), card('Gaps', parts.gaps.node, parts.noGaps)));
}

function streamsOf(picture) {
  return picture.feeds.streams.map(([exchange, symbol, type, age_s, events]) => {
    const silent_s = silentFor(age_s, picture);
    return {exchange, symbol, type, age_s, events, silent_s, health: healthOf(type, silent_s)};
  });
}

function drawHeat(streams) {
  const {heat} = parts;
  const ratio = devicePixelRatio || 1;
  const width = heat.clientWidth;
  parts.columns = Math.max(1, Math.floor(width / size));
  const height = Math.max(1, Math.ceil(streams.length / parts.columns)) * size;
  if (heat.width !== Math.round(width * ratio) || heat.height !== Math.round(height * ratio)) {
    heat.width = Math.round(width * ratio);
    heat.height = Math.round(height * ratio);
    heat.style.height = `${height}px`;
  }
  const pen = heat.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const colors = {fresh: color('--fresh'), late: color('--late'), stale: color('--stale')};
  const counts = {fresh: 0, late: 0, stale: 0};
  streams.forEach(({health, silent_s}, i) => {
    ++counts[health];
    pen.fillStyle = colors[health];
    pen.globalAlpha = health === 'fresh' ? 1 - 0.6 * Math.min(1, silent_s / lateAfter()) : 1;
    pen.fillRect((i % parts.columns) * size, Math.floor(i / parts.columns) * size, size - 2, size - 2);
  });
  setText(parts.caption, `${streams.length} streams: ${counts.fresh} fresh, ${counts.late} late, ${counts.stale} stale. A paler cell has waited longer.`);
}

// The server's counts, not those of the cells below: they hold with any number of streams.
function showLateness(feeds) {
  const sum = (field) => feeds.reduce((all, feed) => all + feed[field], 0);
  const [late, stale] = [sum('late'), sum('stale')];
  setAttribute(parts.late, 'data-health', stale > 0 ? 'stale' : late > 0 ? 'late' : 'fresh');
  const said = [stale > 0 ? `${count(stale)} stale` : '', late > 0 ? `${count(late)} late` : ''].filter(Boolean).join(', ');
  const text = said ? `Of ${count(sum('streams'))} streams: ${said}` : `All ${count(sum('streams'))} streams are fresh`;
  if (parts.late.lastChild.data !== text) parts.late.lastChild.data = text;
}

export function show(picture) {
  const {feeds, gaps} = picture;
  parts.feeds.show(feeds.feeds, (f) => `${f.exchange}/${f.data_type}`);
  showLateness(feeds.feeds);
  parts.streams = streamsOf(picture);
  drawHeat(parts.streams);
  const longest = [...parts.streams].sort((a, b) => order[a.health] - order[b.health] || b.silent_s - a.silent_s).slice(0, 15);
  // A row is a rank: rows that change places every second cannot be read.
  parts.oldest.show(longest.map((stream, rank) => ({...stream, rank})), (s) => s.rank);
  parts.gaps.show(gaps.counts, (g) => `${g.exchange}/${g.data_type}/${g.reason}`);
  parts.noGaps.hidden = gaps.counts.length > 0;
}
