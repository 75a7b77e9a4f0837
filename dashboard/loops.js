import {bytes, clock, count, duration, milliseconds, percent} from '/format.js';
import {card, h, keep, setText, table} from '/dom.js';
import {timePlot} from '/plots.js';

const recent_s = 60;  // a queue that dropped something is red for so long
let parts;
let before = null;  // the picture before, for rates
const drops = new Map();  // queue → {dropped, at}: how many so far, and the uptime when it last became more

// Called for every picture, so that a drop while another view is open is seen as well.
export function noteQueues({queues, status}) {
  for (const {name, dropped} of queues.queues) {
    const known = drops.get(name);
    if (!known || dropped < known.dropped) drops.set(name, {dropped, at: -Infinity});
    else if (dropped > known.dropped) drops.set(name, {dropped, at: status.uptime_s});
  }
}

function queueHealth({name, max, waiting, uptime_s}) {
  if (uptime_s - drops.get(name)?.at < recent_s) return 'stale';
  return max > 0 && waiting > 0.8 * max ? 'late' : 'fresh';
}

function fillStack(cell, {handler, stack}) {
  if (!cell.hasChildNodes()) cell.append(h('details', {class: 'stack'}, h('summary'), h('ol')));
  const [summary, list] = cell.firstChild.children;
  setText(summary, handler || stack[0] || 'unknown');
  keep(list, stack.map((name, i) => ({name, i})), (one) => one.i, ({name}) => h('li', {}, name), () => {});
}

export function build(section) {
  parts = {plot: h('div', {class: 'plot'})};
  parts.loops = table([
    {title: 'Loop', text: (l) => l.name, health: (l) => (l.is_answering ? 'fresh' : 'stale')},
    {title: 'Lag p50', text: (l) => milliseconds(l.lag.p50_ms), number: true},
    {title: 'p99', text: (l) => milliseconds(l.lag.p99_ms), number: true},
    {title: 'Max', text: (l) => milliseconds(l.lag.max_ms), number: true},
    {title: 'Longest handler', text: (l) => (l.longest_handler ? `${milliseconds(l.longest_handler_ms)} ${l.longest_handler}` : '–')},
    {title: 'Allocations', text: (l) => count(l.allocations), number: true, field: 'allocations'},
  ], 'Event loops');
  parts.threads = table([
    {title: 'Thread', text: (t) => t.name},
    {title: 'Processor', text: (t) => (t.share === undefined ? '–' : percent(t.share)), number: true},
    {title: 'Time', text: (t) => duration(t.cpu_s), number: true, field: 'cpu_s'},
  ], 'Threads');
  parts.queues = table([
    {title: 'Queue', text: (q) => q.name, health: queueHealth},
    {title: 'Waiting', text: (q) => count(q.waiting), number: true},
    {title: 'Room', text: (q) => count(q.max), number: true, field: 'max'},
    {title: 'Dropped', text: (q) => count(q.dropped), number: true, field: 'dropped'},
    {title: 'When full', text: (q) => q.policy},
  ], 'Queues');
  parts.sinks = table([
    {title: 'Sink', text: (s) => s.name, health: (s) => (s.is_failing ? 'stale' : 'fresh')},
    {title: 'Rows', text: (s) => count(s.rows), number: true, field: 'rows'},
    {title: 'Files', text: (s) => count(s.files), number: true, field: 'files'},
    {title: 'Written', text: (s) => bytes(s.bytes), number: true, field: 'bytes'},
    {title: 'Buffered', text: (s) => bytes(s.buffered_bytes), number: true},
    {title: 'Dropped', text: (s) => count(s.dropped), number: true, field: 'dropped'},
  ], 'Sinks');
  parts.alarms = table([
    {title: 'At', text: (a) => clock(a.time_ms)},
    {title: 'Loop', text: (a) => a.loop},
    {title: 'For', text: (a) => milliseconds(a.blocked_ms), number: true},
    {title: 'In', fill: fillStack},
  ], 'Times a loop stood still');
  parts.calm = h('p', {class: 'empty'}, 'Never');
  section.append(
    h('div', {class: 'grid two'}, card('Lag of the event loop, p99 of each 5 s', parts.plot), card('Event loops', parts.loops.node)),
    h('div', {class: 'grid even'}, card('Queues', parts.queues.node), card('Sinks', parts.sinks.node)),
    h('div', {class: 'grid even'}, card('Threads', parts.threads.node), card('Times a loop stood still', parts.alarms.node, parts.calm)));
  parts.draw = timePlot(parts.plot, [{label: 'lag p99', color: '--c2', fill: true}], milliseconds, {height: 190});
}

export function show({status, loops, queues, sinks, memory}) {
  parts.loops.show(loops.loops, (l) => l.name);
  const seconds = before ? status.uptime_s - before.uptime_s : 0;
  const threads = loops.threads.map((thread, i) => ({
    ...thread,
    key: `${thread.name}/${i}`,
    share: seconds > 0 ? Math.max(0, thread.cpu_s - (before.threads[i]?.cpu_s ?? 0)) / seconds : undefined,
  }));
  before = {uptime_s: status.uptime_s, threads: loops.threads};
  parts.threads.show(threads, (t) => t.key);
  parts.alarms.show([...loops.alarms].reverse(), (a) => `${a.loop}/${a.time_ms}`);
  parts.calm.hidden = loops.alarms.length > 0;
  parts.queues.show(queues.queues.map((queue) => ({...queue, uptime_s: status.uptime_s})), (q) => q.name);
  parts.sinks.show(sinks.sinks, (s) => s.name);
  parts.draw.show(memory.history.time_s, [memory.history.lag_p99_ms]);
}
