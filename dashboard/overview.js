import {bytes, clock, count, duration, milliseconds} from '/format.js';
import {card, h, keep, setAttribute, setText} from '/dom.js';
import {timePlot} from '/plots.js';

const tiles = [
  ['events_per_s', 'Events a second', count],
  ['streams_up', 'Streams up', (v, s) => `${v}`, (s) => ` of ${s.streams}`],
  ['books_live', 'Books live', (v) => `${v}`, (s) => ` of ${s.books}`],
  ['connections', 'Connections', count, (s) => ` ${s.connections_lost} lost`],
  ['gaps', 'Gaps', count],
  ['dropped', 'Dropped', count],
  ['lag_p99_ms', 'Loop lag, p99', milliseconds],
  ['rss_bytes', 'Memory', bytes],
];

let parts;
let go;

// The banner is not announced when it changes, for it counts seconds: the header's pill says the same in words that stay.
export function build(section, {open}) {
  go = open;
  parts = {
    banner: h('div', {class: 'card banner'}, h('div', {}, h('strong'), h('p'))),
    attention: h('ul', {class: 'attention', 'aria-label': 'Needs attention'}),
    tiles: h('div', {class: 'grid tiles'}),
    plot: h('div', {class: 'plot'}),
    chips: h('tbody'),
    chipHead: h('tr'),
    messages: h('ul', {class: 'messages'}),
  };
  parts.values = tiles.map(([field, title]) => {
    const value = h('span', {'data-field': field});
    const more = h('small');
    parts.tiles.append(h('div', {class: 'card tile'}, h('div', {class: 'name'}, title), h('div', {class: 'value'}, value, more)));
    return {value, more};
  });
  section.append(
    h('div', {class: 'grid'}, parts.banner),
    parts.tiles,
    h('div', {class: 'grid two'}, card('Messages a second', parts.plot), card('Needs attention', parts.attention)),
    h('div', {class: 'grid two'},
      card('Age of the last message', h('div', {class: 'scroll'}, h('table', {class: 'chips', 'aria-label': 'Age of the last message by exchange and data'}, h('thead', {}, parts.chipHead), parts.chips))),
      card('Messages', parts.messages)));
  parts.draw = timePlot(parts.plot, [{label: 'messages/s', color: '--c1', fill: true}], count, {height: 190});
}

function showBanner(status) {
  const [strong, p] = parts.banner.firstChild.children;
  const worst = status.attention[0]?.level ?? 'fresh';
  const health = status.is_ready ? worst : 'stale';
  const things = status.attention.length;
  setAttribute(parts.banner, 'data-health', health);
  setText(strong, !status.is_ready ? `Not ready: ${status.why_not}` : things === 0 ? 'Everything is fresh' : `${things} ${things === 1 ? 'thing needs' : 'things need'} attention`);
  setText(p, `${status.streams_up} of ${status.streams} streams, ${status.books_live} of ${status.books} books, up ${duration(status.uptime_s)}`);
}

function showChips(feeds) {
  const types = [...new Set(feeds.map((feed) => feed.data_type))];
  const exchanges = [...new Set(feeds.map((feed) => feed.exchange))];
  keep(parts.chipHead, ['', ...types], (t) => t, (t) => h('th', {scope: 'col'}, t.replace('_', ' ')), () => {});
  keep(parts.chips, exchanges, (e) => e, (e) => h('tr', {}, h('th', {scope: 'row'}, e)), (row, exchange) => {
    while (row.children.length < types.length + 1) row.append(h('td', {}, h('span', {class: 'chip'})));
    types.forEach((type, i) => {
      const feed = feeds.find((one) => one.exchange === exchange && one.data_type === type);
      const chip = row.children[i + 1].firstChild;
      setText(chip, feed ? duration(feed.age_s) : '–');
      setAttribute(chip, 'data-health', feed ? feed.health : 'none');
      setAttribute(chip, 'data-feed', `${exchange}/${type}`);
    });
  });
}

export function show({status, feeds, memory, messages}) {
  showBanner(status);
  tiles.forEach(([field, , format, more], i) => {
    setText(parts.values[i].value, format(status[field]));
    parts.values[i].value.dataset.value = status[field];
    setText(parts.values[i].more, more ? more(status) : '');
  });
  const calm = status.attention.length === 0 ? [{level: 'fresh', text: 'Nothing', view: 'overview'}] : status.attention;
  keep(parts.attention, calm, (one) => one.view + one.level + one.text.replace(/\d+/g, ''),
    (one) => h('li', {}, h('span', {class: 'dot'}), h('button', {onclick: () => go(one.view)})),
    (node, one) => {
      setAttribute(node, 'data-health', one.level);
      setText(node.lastChild, one.text);
    });
  showChips(feeds.feeds);
  const recent = messages.messages.slice(-30).reverse();
  keep(parts.messages, recent.length ? recent : [{number: 0}], (m) => m.number,
    (m) => m.number ? h('li', {}, h('time', {}, clock(m.time_ms)), h('b', {}, m.where), ' ', m.text) : h('li', {class: 'muted'}, 'No messages'), () => {});
  parts.draw.show(memory.history.time_s, [memory.history.messages_per_s]);
}
