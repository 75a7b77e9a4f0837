import {bytes, count, duration, milliseconds, percent} from '/format.js';
import {card, h, keep, setAttribute, setText} from '/dom.js';

const ghostSeconds = 10;  // a connection that is gone is shown for so long
const states = ['active', 'idle', 'connecting', 'checking', 'failed', 'lost', 'ended'];
const unplanned = ['broken', 'unhealthy'];  // reasons to close
const known = new Map();  // "pool/id" → connection, with goneAt once it is gone
let before = {uptime_s: Infinity, unplanned: new Map()};  // of the picture before

const unplannedOf = (pool) => unplanned.reduce((sum, reason) => sum + pool.counters.closed[reason], 0);

// Called for every picture, so that a connection that goes while another view is open is seen as well. The pools count why they
// close; one that nobody planned was most likely in use.
export function noteConnections({connections, pools, status}) {
  const now = performance.now();
  if (status.uptime_s < before.uptime_s) known.clear();  // another collector
  const lost = new Map(pools.pools.map((pool) => [pool.name, unplannedOf(pool) - (before.unplanned.get(pool.name) ?? 0)]));
  before = {uptime_s: status.uptime_s, unplanned: new Map(pools.pools.map((pool) => [pool.name, unplannedOf(pool)]))};
  const present = new Set();
  for (const one of connections.connections) {
    const id = `${one.pool}/${one.id}`;
    present.add(id);
    known.set(id, one);
  }
  const isActive = ([, one]) => one.state === 'active';
  for (const [id, one] of [...known].sort((a, b) => isActive(b) - isActive(a))) {
    if (present.has(id)) continue;
    if (one.goneAt) {
      if (now - one.goneAt > ghostSeconds * 1000) known.delete(id);
    } else if (one.state === 'connecting') {
      known.delete(id);
    } else {
      const left = lost.get(one.pool) ?? 0;
      lost.set(one.pool, left - 1);
      known.set(id, {...one, state: left > 0 ? 'lost' : 'ended', goneAt: now});
    }
  }
}

// What the report counts too: dials that were not needed because a connection was used again, or because streams share it.
const savedBy = (pool) => (pool.slots?.up > 0 ? Math.max(0, pool.slots.up - pool.active) : pool.connections_saved);
const timeSavedBy_ms = (pool) => (pool.slots?.up > 0 ? savedBy(pool) * pool.connect.mean_ms : pool.time_saved_ms);
const sum = (pools, value) => pools.reduce((all, pool) => all + value(pool), 0);

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
  ['Checks failed', (p) => count(p.counters.failed_checks)],
  ['Closing', (p) => count(p.closing), 'closing'],
  ['Memory', (p) => bytes(p.memory_bytes), 'memory_bytes'],
  ['Buffers', (p) => bytes(p.connection_bytes), 'connection_bytes'],
];
const shared = [
  ['Streams up', (p) => `${p.slots.up} of ${p.slots.streams}`],
  ['Free places', (p) => count(Math.max(0, p.slots.capacity - p.slots.streams))],
  ['Waiting', (p) => count(p.waiters), 'waiters'],
  ['Moved', (p) => count(p.slots.moved)],
  ['Interrupted', (p) => count(p.slots.interrupted)],
  ['Rotations', (p) => count(p.slots.rotations)],
  ['Dials saved', (p) => count(savedBy(p))],
  ['Time saved', (p) => milliseconds(timeSavedBy_ms(p))],
  ['Lost', (p) => count(unplannedOf(p))],
  ['Opened', (p) => count(p.counters.created)],
  ['Dials failed', (p) => count(p.counters.failures)],
  ['Silent', (p) => count(p.slots.silent)],
  ['Closing', (p) => count(p.closing), 'closing'],
  ['Memory', (p) => bytes(p.memory_bytes), 'memory_bytes'],
  ['Buffers', (p) => bytes(p.connection_bytes), 'connection_bytes'],
];
const factsOf = (pool) => (pool.slots ? shared : leased);

let parts;

export function build(section) {
  parts = {summary: h('div', {class: 'grid tiles'}), pools: h('div', {class: 'grid pools'})};
  parts.tiles = ['Connections', 'Hit rate', 'Reuse rate', 'Connections saved', 'Connect time saved', 'Waiting'].map((title) => {
    const value = h('div', {class: 'value', 'data-tile': title});
    parts.summary.append(h('div', {class: 'card tile'}, h('div', {class: 'name'}, title), value));
    return value;
  });
  const legend = h('div', {class: 'legend'}, ...states.map((state) => h('span', {}, h('i', {class: 'cell', 'data-state': state}), wordFor(state))));
  section.append(parts.summary, h('div', {class: 'card grid'}, legend), parts.pools);
}

function makePool(pool) {
  const values = factsOf(pool).map(([title, , field]) => [h('dt', {}, title), h('dd', field ? {'data-field': field} : {})]);
  const node = h('article', {class: 'card pool', 'data-pool': pool.name},
    h('header', {}, h('h3', {}, pool.name), h('span', {class: 'caption'})),
    h('div', {class: 'cells', role: 'group', 'aria-label': `Connections of ${pool.name}`, onkeydown: moveFocus}),
    h('p', {class: 'caption detail', hidden: ''}),
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

const wordFor = (state) => (state === 'ended' ? 'closed as planned' : state);

// All cells of a pool are one stop of the tab key; the arrows go from one to the next.
function moveFocus(event) {
  const cells = [...event.currentTarget.children];
  const i = cells.indexOf(event.target);
  const next = {ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: cells.length - 1}[event.key];
  if (next === undefined || !cells[next]) return;
  event.preventDefault();
  setStop(event.currentTarget, cells[next]);
  cells[next].focus();
}

function setStop(cells, wanted) {
  for (const cell of cells.children) {
    const index = cell === wanted ? 0 : -1;
    if (cell.tabIndex !== index) cell.tabIndex = index;
  }
}

function describe(one) {
  const uses = `${count(one.uses)} ${one.type === 'websocket' ? 'streams' : 'uses'}`;
  const checks = one.health_checks > 0 ? `, ${count(one.health_checks)} health checks` : '';
  return `Connection ${one.id} to ${one.endpoint}: ${wordFor(one.state)}, ${duration(one.age_s)} old, ${uses}${checks}, ${count(one.errors)} errors`;
}

function showDetail(node) {
  const [, cells, detail] = node.children;
  const one = known.get(`${node.dataset.pool}/${node.chosen}`);
  detail.hidden = !one;
  if (one) setText(detail, describe(one));
  for (const cell of cells.children) setAttribute(cell, 'aria-expanded', cell.dataset.id === String(node.chosen));
}

function makeCell(node, one) {
  const toggle = ({currentTarget}) => {
    node.chosen = node.chosen === one.id ? undefined : one.id;
    setStop(currentTarget.parentNode, currentTarget);
    showDetail(node);
  };
  return h('button', {class: 'cell', type: 'button', tabindex: -1, 'data-id': one.id, onclick: toggle});
}

function updatePool(node, pool) {
  const [header, cells, , , caption, range] = node.children;
  setText(header.lastChild, `${pool.size} of ${pool.max_size}`);
  const own = [...known.values()].filter((one) => one.pool === pool.name);
  keep(cells, own, (one) => one.id, (one) => makeCell(node, one), (cell, one) => {
    setAttribute(cell, 'data-state', one.state);
    setAttribute(cell, 'title', describe(one));
    setAttribute(cell, 'aria-label', `${wordFor(one.state)}: connection ${one.id} to ${one.endpoint}`);
  });
  if (cells.firstChild && !cells.querySelector('[tabindex="0"]')) setStop(cells, cells.firstChild);
  showDetail(node);
  setAttribute(node, 'data-unused', pool.counters.created === 0);
  factsOf(pool).forEach(([, text, field], i) => {
    setText(node.values[i], text(pool));
    if (field) node.values[i].dataset.value = pool[field];
  });
  showRange(range, caption, pool.connect);
}

export function show({pools}) {
  const {summary} = pools;
  const saved = sum(pools.pools, savedBy);
  const values = [`${summary.size} of ${summary.max_size}`, percent(summary.hit_rate), percent(summary.reuse_rate), count(saved),
    milliseconds(sum(pools.pools, timeSavedBy_ms)), count(summary.waiters)];
  values.forEach((value, i) => setText(parts.tiles[i], value));
  parts.tiles[3].dataset.value = saved;
  const usedFirst = [...pools.pools].sort((a, b) => (a.counters.created === 0) - (b.counters.created === 0));
  keep(parts.pools, usedFirst, (pool) => pool.name, makePool, updatePool);
}
