import {bytes} from '/format.js';
import {card, h, setText, table} from '/dom.js';
import {timePlot} from '/plots.js';

const colors = ['--c1', '--c2', '--c3', '--c4', '--c6', '--c5'];
const tiles = [['rss_bytes', 'Resident'], ['rss_peak_bytes', 'Most so far'], ['heap_used_bytes', 'Handed out by malloc'],
  ['heap_retained_bytes', 'Free in malloc'], ['pss_bytes', 'Proportional']];
const verdicts = {leaking: 'stale', settling: 'late', steady: 'fresh', measuring: 'none'};
const pick = (trend) => (trend ? {verdict: trend.verdict, growth_bytes_per_min: trend.growth_bytes_per_min} : {});
let parts;

export function build(section) {
  parts = {tiles: h('div', {class: 'grid tiles'}), plot: h('div', {class: 'plot'}), rss: h('div', {class: 'plot'}), note: h('span', {class: 'muted', role: 'status'})};
  parts.values = tiles.map(([field, title]) => {
    const value = h('div', {class: 'value', 'data-field': field});
    parts.tiles.append(h('div', {class: 'card tile'}, h('div', {class: 'name'}, title), value));
    return value;
  });
  parts.owners = table([
    {title: 'Owner', text: (o) => o.name, health: (o) => verdicts[o.verdict] ?? 'none'},
    {title: 'Bytes', text: (o) => bytes(o.bytes), number: true, field: 'bytes'},
    {title: 'Limit', text: (o) => (o.limit_bytes ? bytes(o.limit_bytes) : '–'), number: true, field: 'limit_bytes'},
    {title: 'Refused', text: (o) => o.refusals || '–', number: true},
    {title: 'Verdict', text: (o) => o.verdict ?? '–'},
    {title: 'Growth/min', text: (o) => (o.verdict && o.verdict !== 'measuring' ? bytes(o.growth_bytes_per_min) : '–'), number: true},
  ], 'Memory by owner');
  section.append(parts.tiles,
    h('div', {class: 'grid two'}, card('Memory by owner', parts.plot), card('Owners', parts.owners.node)),
    h('div', {class: 'grid'}, card('Resident memory', parts.rss)),
    h('div', {class: 'grid'}, card('Heap profiler', h('div', {class: 'bar'},
      h('button', {type: 'button', class: 'action', onclick: () => profile(true)}, 'Start'),
      h('button', {type: 'button', class: 'action', onclick: () => profile(false)}, 'Stop'),
      h('a', {href: '/api/v1/heap?format=svg'}, 'Flame graph of what is live'), parts.note))));
  profile(undefined, 'GET');
}

// method GET: how it is, so that a page that is loaded again says so too.
async function profile(on, method = 'POST') {
  const reply = await fetch(method === 'GET' ? '/api/v1/heap' : `/api/v1/heap?on=${on}`, {method}).catch(() => null);
  const said = await reply?.json().catch(() => null);
  setText(parts.note, !reply?.ok ? said?.error ?? 'The collector does not answer.' : said.on ? 'It samples, one allocation for each 512 KiB.' : 'It is off.');
}

export function show({memory}) {
  tiles.forEach(([field], i) => {
    setText(parts.values[i], bytes(memory[field]));
    parts.values[i].dataset.value = memory[field];
  });
  const trends = new Map(memory.trends.map((trend) => [trend.name, trend]));
  const whole = {name: 'process', bytes: memory.rss_bytes, ...pick(trends.get('rss'))};
  parts.owners.show([whole, ...memory.owners.map((owner) => ({...owner, ...pick(trends.get(owner.name))}))], (o) => o.name);
  const names = Object.keys(memory.history.owners).filter((name) => name !== 'other');
  if (!parts.draw) {
    parts.draw = timePlot(parts.plot, names.map((label, i) => ({label, color: colors[i % colors.length], fill: true})), bytes, {height: 190, stacked: true});
    parts.drawRss = timePlot(parts.rss, [{label: 'resident', color: '--c1', fill: true}], bytes, {height: 190});
  }
  parts.draw.show(memory.history.time_s, names.map((name) => memory.history.owners[name]));
  parts.drawRss.show(memory.history.time_s, [memory.history.rss_bytes]);
}
