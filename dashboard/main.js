// One stream of server-sent events feeds all views; only the one that is seen is drawn.
import {clock, duration, count} from '/format.js';
import {setText, setAttribute} from '/dom.js';
import {aged, loadLimits} from '/freshness.js';
import {isListening, listen, setHandlers} from '/stream.js';
import * as overview from '/overview.js';
import * as pools from '/pools.js';
import * as feeds from '/feeds.js';
import * as book from '/book.js';
import * as memory from '/memory.js';
import * as loops from '/loops.js';

const views = {overview, pools, feeds, book, memory, loops};
const names = Object.keys(views);
const tabs = names.map((name) => document.getElementById(`tab-${name}`));
const pill = document.getElementById('pill');
const notice = document.getElementById('notice');
const formats = {messages_per_s: count, uptime_s: duration};
const silentAfter_s = 4;  // a collector whose loop is blocked still sends every three seconds
const news = {at: performance.now(), clock: ''};  // when the last picture came

let picture = null;
let selected = null;
let refusal = '';

const silence = () => (performance.now() - news.at) / 1000;

function open(name) {
  if (!views[name]) name = 'overview';
  if (selected && selected !== name) views[selected].leave?.();
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
  views[name].enter?.();
  draw();
}

function draw() {
  if (!picture || document.hidden) return;
  views[selected].show(silence() < silentAfter_s ? picture : aged(picture, silence()));
}

function showHeader() {
  const {status} = picture;
  const worst = status.attention[0]?.level ?? 'fresh';
  const health = status.is_ready && worst !== 'stale' ? worst : 'stale';
  showPill(health, {fresh: 'all fresh', late: 'needs attention', stale: status.is_ready ? 'needs attention' : 'not ready'}[health]);
  for (const node of document.querySelectorAll('header [data-status]')) {
    const field = node.dataset.status;
    setText(node, formats[field](status[field]));
    node.dataset.value = status[field];
  }
}

function showPill(health, text) {
  setAttribute(pill, 'data-health', health);
  setText(pill, text);
  const title = `${health === 'fresh' ? '' : '● '}MarketPrism`;
  if (document.title !== title) document.title = title;
}

// Says once, to eyes and to screen readers, what is wrong with the news; the words stay the same while it lasts.
function showNotice() {
  const isSilent = silence() >= silentAfter_s;
  setAttribute(document.body, 'data-silent', isSilent);
  const since = picture ? `No news from the collector since ${news.clock}; what is shown is of then.` : 'The collector does not answer.';
  const said = [isSilent ? since : '', refusal && `The event stream is refused: ${refusal}. It is asked for again.`].filter(Boolean).join(' ');
  setText(notice, said);
  notice.hidden = said === '';
}

function watchSilence() {
  const isSilent = silence() >= silentAfter_s;
  if (picture) setText(document.getElementById('age'), silence() < 2.5 ? 'live' : `no news for ${duration(silence())}`);
  showNotice();
  if (!isSilent) return;
  showPill('stale', 'collector does not answer');
  draw();
}

setHandlers({
  picture(text) {
    picture = JSON.parse(text);
    news.at = performance.now();
    news.clock = clock(Date.now());
    refusal = '';
    pools.noteConnections(picture);
    loops.noteQueues(picture);
    showHeader();
    showNotice();
    draw();
  },
  book(text) {
    if (selected === 'book' && !document.hidden) book.showBook(text);
  },
  opened: loadLimits,
  refused(why) {
    refusal = why;
    showNotice();
  },
});

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
setInterval(watchSilence, 500);
open(location.hash.slice(1) || 'overview');
if (!isListening()) listen('');
