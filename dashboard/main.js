// One stream of server-sent events feeds all views; only the one that is seen is drawn.
import {duration, count} from '/format.js';
import {setText, setAttribute} from '/dom.js';
import {noteConnections} from '/pools.js';
import * as overview from '/overview.js';
import * as pools from '/pools.js';
import * as feeds from '/feeds.js';
import * as book from '/book.js';
import * as memory from '/memory.js';
import * as loops from '/loops.js';

const views = {overview, pools, feeds, book, memory, loops};
const names = Object.keys(views);
const tabs = names.map((name) => document.getElementById(`tab-${name}`));
const formats = {messages_per_s: count, uptime_s: duration};

let picture = null;
let selected = null;
let source = null;
let receivedAt = 0;
let listening = '';

function open(name) {
  if (!views[name]) name = 'overview';
  selected = name;
  names.forEach((one, i) => {
    const is = one === name;
    setAttribute(tabs[i], 'aria-selected', is);
    tabs[i].tabIndex = is ? 0 : -1;
    document.getElementById(one).hidden = !is;
  });
  if (location.hash !== `#${name}`) history.replaceState(null, '', `#${name}`);
  const section = document.getElementById(name);
  if (!section.hasChildNodes()) views[name].build(section, {open, listen});
  draw();
}

function draw() {
  if (!picture || document.hidden) return;
  views[selected].show(picture);
}

function showHeader() {
  const {status} = picture;
  const worst = status.attention[0]?.level ?? 'fresh';
  const health = status.is_ready && worst !== 'stale' ? worst : 'stale';
  const pill = document.getElementById('pill');
  setAttribute(pill, 'data-health', health);
  setText(pill, {fresh: 'all fresh', late: 'needs attention', stale: status.is_ready ? 'needs attention' : 'not ready'}[health]);
  const title = `${health === 'fresh' ? '' : '● '}MarketPrism`;
  if (document.title !== title) document.title = title;
  for (const node of document.querySelectorAll('header [data-status]')) {
    const field = node.dataset.status;
    setText(node, formats[field](status[field]));
    node.dataset.value = status[field];
  }
}

// The instrument whose book is wanted; '' for none. Another one needs another stream.
function listen(query = listening) {
  if (source && query === listening) return;
  listening = query;
  source?.close();
  source = new EventSource(`/api/v1/stream${query}`);
  source.addEventListener('picture', (event) => {
    picture = JSON.parse(event.data);
    receivedAt = performance.now();
    noteConnections(picture);
    showHeader();
    draw();
  });
  source.addEventListener('book', (event) => {
    if (selected === 'book' && !document.hidden) book.showBook(event.data);
  });
}

function showAge() {
  const age = (performance.now() - receivedAt) / 1000;
  const node = document.getElementById('age');
  if (!receivedAt) return;
  setText(node, age < 2.5 ? 'live' : `no news for ${duration(age)}`);
  if (age < 5) return;
  const pill = document.getElementById('pill');
  setAttribute(pill, 'data-health', 'stale');
  setText(pill, 'collector does not answer');
}

tabs.forEach((tab, i) => {
  tab.dataset.text = tab.textContent;
  tab.addEventListener('click', () => open(names[i]));
  tab.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    const next = (i + step + names.length) % names.length;
    open(names[next]);
    tabs[next].focus();
  });
});
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
  const i = '123456'.indexOf(event.key);
  if (i >= 0) open(names[i]);
});
document.addEventListener('visibilitychange', draw);
addEventListener('hashchange', () => open(location.hash.slice(1)));
setInterval(showAge, 500);
open(location.hash.slice(1) || 'overview');
listen();
