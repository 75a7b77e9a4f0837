import {bytes, count, duration, milliseconds, percent} from '/format.js';
import {card, h, keep, setAttribute, setText} from '/dom.js';

const ghostSeconds = 10;  // a lost connection is shown for so long
const states = ['active', 'idle', 'connecting', 'checking', 'failed', 'lost'];
const known = new Map();  // "pool/id" → connection, with lostAt once it is gone

// Called for every picture, so that a connection that goes while another view is open is seen as well.
export function noteConnections({connections}) {
  const now = performance.now();
  const present = new Set();
  for (const one of connections.connections) {
    const id = `${one.pool}/${one.id}`;
    present.add(id);
    known.set(id, one);
  }
  for (const [id, one] of known) {
    if (present.has(id)) continue;
    if (one.state === 'connecting') known.delete(id);
    else if (!one.lostAt) known.set(id, {...one, state: 'lost', lostAt: now});
    else if (now - one.lostAt > ghostSeconds * 1000) known.delete(id);
  }
}

// Connections that are lent to one user at a time, and connections that carry many streams, have other things to tell.
const leased = [
  ['Hit rate', (p) => percent(p.hit_rate), 'hit_rate'],
  ['Reuse rate', (p) => percent(p.reuse_rate), 'reuse_rate'],
  ['Utilization', (p) => percent(p.utilization_mean), 'utilization_mean'],
  ['Waiting', (p) => count(p.waiters), 'waiters'],
  ['Dials saved', (p) => count(p.connections_saved), 'connections_saved'],
  ['Time saved', (p) => milliseconds(p.time_saved_ms), 'time_saved_ms'],
  ['Opened', (p) => count(p.counters.created)],
  ['Dials failed', (p) => count(p.counters.failures)],
  ['Memory', (p) => bytes(p.memory_bytes), 'memory_bytes'],
];
const shared = [
  ['Streams up', (p) => `${p.slots.up} of ${p.slots.streams}`],
  ['Free places', (p) => count(Math.max(0, p.slots.capacity - p.slots.streams))],
  ['Waiting', (p) => count(p.waiters), 'waiters'],
  ['Moved', (p) => count(p.slots.moved)],
  ['Interrupted', (p) => count(p.slots.interrupted)],
  ['Rotations', (p) => count(p.slots.rotations)],
  ['Opened', (p) => count(p.counters.created)],
  ['Dials failed', (p) => count(p.counters.failures)],
  ['Memory', (p) => bytes(p.memory_bytes), 'memory_bytes'],
];
const factsOf = (pool) => (pool.slots ? shared : leased);

let parts;

export function build(section) {
  parts = {summary: h('div', {class: 'grid tiles'}), pools: h('div', {class: 'grid pools'})};
  parts.tiles = ['Connections', 'Hit rate', 'Reuse rate', 'Connections saved', 'Connect time saved', 'Waiting'].map((title) => {
    const value = h('div', {class: 'value'});
    parts.summary.append(h('div', {class: 'card tile'}, h('div', {class: 'name'}, title), value));
    return value;
  });
  const legend = h('div', {class: 'legend'}, ...states.map((state) => h('span', {}, h('i', {class: 'cell', 'data-state': state}), state)));
  section.append(parts.summary, h('div', {class: 'card grid'}, legend), parts.pools);
}

function makePool(pool) {
  const values = factsOf(pool).map(([title, , field]) => [h('dt', {}, title), h('dd', field ? {'data-field': field} : {})]);
  const node = h('article', {class: 'card pool', 'data-pool': pool.name},
    h('header', {}, h('h3', {}, pool.name), h('span', {class: 'caption'})),
    h('div', {class: 'cells'}),
    h('dl', {class: 'facts'}, ...values.map((pair) => h('div', {}, ...pair))),
    h('div', {class: 'caption'}), h('div', {class: 'range', role: 'img'}, h('i'), h('b')));
  node.values = values.map((pair) => pair[1]);
  return node;
}

function showRange(node, caption, times) {
  setText(caption, times.count === 0 ? 'No connect was timed' : `Connect p50 ${milliseconds(times.p50_ms)}, p99 ${milliseconds(times.p99_ms)}, max ${milliseconds(times.max_ms)}`);
  setAttribute(node, 'aria-label', caption.textContent);
  const scale = (ms) => (times.max_ms > 0 ? `${(100 * ms) / times.max_ms}%` : '0');
  const [span, middle] = node.children;
  span.style.left = scale(times.p50_ms);
  span.style.width = `calc(${scale(times.p99_ms)} - ${scale(times.p50_ms)})`;
  middle.style.left = scale(times.mean_ms);
  node.style.visibility = times.count === 0 ? 'hidden' : 'visible';
}

function updatePool(node, pool) {
  const [header, cells, , caption, range] = node.children;
  setText(header.lastChild, `${pool.size} of ${pool.max_size}`);
  const own = [...known.values()].filter((one) => one.pool === pool.name);
  keep(cells, own, (one) => one.id, () => h('button', {class: 'cell', type: 'button'}), (cell, one) => {
    setAttribute(cell, 'data-state', one.state);
    const text = `${one.state}: connection ${one.id} to ${one.endpoint}, ${duration(one.age_s)} old, ${one.uses} ${one.type === 'websocket' ? 'streams' : 'uses'}`;
    setAttribute(cell, 'title', text);
    setAttribute(cell, 'aria-label', text);
  });
  setAttribute(node, 'data-unused', pool.counters.created === 0);
  factsOf(pool).forEach(([, text, field], i) => {
    setText(node.values[i], text(pool));
    if (field) node.values[i].dataset.value = pool[field];
  });
  showRange(range, caption, pool.connect);
}

export function show({pools}) {
  const {summary} = pools;
  const values = [`${summary.size} of ${summary.max_size}`, percent(summary.hit_rate), percent(summary.reuse_rate), count(summary.connections_saved),
    milliseconds(summary.time_saved_ms), count(summary.waiters)];
  values.forEach((value, i) => setText(parts.tiles[i], value));
  const usedFirst = [...pools.pools].sort((a, b) => (a.counters.created === 0) - (b.counters.created === 0));
  keep(parts.pools, usedFirst, (pool) => pool.name, makePool, updatePool);
}
