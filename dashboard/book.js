import {clock} from '/format.js';
import {card, h, setAttribute, setText} from '/dom.js';
import {color} from '/plots.js';

const rows = 12;  // of each side of the ladder
const trades = 24;
const blank = '\u00a0';  // as high as a number
let parts;
let listen;
const interval_ms = 600;  // between two drawings: faster than this nobody reads
let received = '';  // the book that came last
let drawn = null;  // and the one that is seen
let drawnAt = 0;
let timer = 0;

const line = (side, ...classes) => h('tr', {class: side}, ...classes.map((name) => h('td', {class: name}, blank)));

export function build(section, tools) {
  ({listen} = tools);
  parts = {
    choice: h('select', {'aria-label': 'Instrument', onchange: choose}),
    note: h('span', {class: 'muted'}),
    depth: h('canvas', {class: 'depth', role: 'img', 'aria-label': 'Depth of the book'}),
    asks: [...Array(rows)].map(() => line('ask', 'sell price', 'num', 'num muted')),
    bids: [...Array(rows)].map(() => line('bid', 'buy price', 'num', 'num muted')),
    spread: h('td', {colspan: 3}, blank),
    tape: [...Array(trades)].map(() => line(undefined, 'muted', 'num price', 'num')),
  };
  const ladder = h('table', {class: 'ladder', 'aria-label': 'Best levels'}, h('tbody', {}, ...[...parts.asks].reverse(), h('tr', {class: 'spread'}, parts.spread), ...parts.bids));
  const tape = h('table', {class: 'tape', 'aria-label': 'Last trades'}, h('tbody', {}, ...parts.tape));
  section.append(h('div', {class: 'bar'}, parts.choice, parts.note),
    h('div', {class: 'grid book'}, card('Depth', parts.depth), card('Price, amount, in all', h('div', {class: 'rows'}, ladder)), card('Trades', h('div', {class: 'rows'}, tape))));
  new ResizeObserver(([{contentRect}]) => {
    parts.size = contentRect;
    if (drawn) drawDepth(drawn);
  }).observe(parts.depth);
}

function choose() {
  clearTimeout(timer);  // what was about to be drawn is not wanted any more
  timer = 0;
  received = '';
  const [exchange, symbol] = parts.choice.value.split(' ');
  listen(symbol ? `?${new URLSearchParams({exchange, symbol})}` : '');
}

export const enter = () => choose();
export const leave = () => listen('');

// Which books there are changes when the collector's configuration is loaded again.
export function show({feeds}) {
  if (timer) draw();  // in the frame that the picture needs anyway
  const books = feeds.streams.filter((stream) => stream[2] === 'book').map(([exchange, symbol]) => `${exchange} ${symbol}`);
  const list = books.join('\n');
  if (parts.list === list) return;
  parts.list = list;
  const before = parts.choice.value;
  parts.choice.replaceChildren(...books.map((one) => h('option', {value: one}, one.replace(' ', '  '))));
  if (books.includes(before)) parts.choice.value = before;
  else choose();
  if (books.length === 0) setText(parts.note, 'No books are collected; the channel is called book.');
}

// The digits that the texts need after the point, all of them alike.
const digitsOf = (texts) => Math.max(0, ...texts.map((text) => (text.split('.')[1] ?? '').replace(/0+$/, '').length));

function showSide(nodes, levels, digits) {
  let sum = 0;
  const total = levels.slice(0, rows).reduce((all, level) => all + Number(level[1]), 0);
  nodes.forEach((node, i) => {
    const level = levels[i];
    sum += level ? Number(level[1]) : 0;
    setText(node.children[0], level ? Number(level[0]).toFixed(digits.price) : blank);
    setText(node.children[1], level ? Number(level[1]).toFixed(digits.amount) : blank);
    setText(node.children[2], level ? sum.toFixed(digits.amount) : blank);
    const share = level && total > 0 ? Math.round((100 * sum) / total) : 0;
    if (node.share !== share) node.style.backgroundSize = `${(node.share = share)}% 100%`;
  });
}

function steps(levels) {
  let sum = 0;
  return levels.map(([price, amount]) => [Number(price), (sum += Number(amount))]);
}

function drawDepth(book) {
  if (!parts.size) return;
  const canvas = parts.depth;
  const ratio = devicePixelRatio || 1;
  const {width, height} = parts.size;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const bids = steps(book.bids), asks = steps(book.asks);
  if (bids.length === 0 || asks.length === 0) return;
  const middle = (bids[0][0] + asks[0][0]) / 2;
  const reach = Math.max(middle - bids.at(-1)[0], asks.at(-1)[0] - middle) || 1;
  const most = Math.max(bids.at(-1)[1], asks.at(-1)[1]) * 1.1;
  const floor = height - 24;
  const x = (price) => width / 2 + ((price - middle) / reach) * (width / 2);
  const y = (amount) => floor - (amount / most) * (floor - 12);
  const side = (points, tint, end) => {
    pen.beginPath();
    pen.moveTo(x(points[0][0]), floor);
    let last = floor;
    for (const [price, amount] of points) {
      pen.lineTo(x(price), last);
      pen.lineTo(x(price), (last = y(amount)));
    }
    pen.lineTo(end, last);
    pen.strokeStyle = tint;
    pen.lineWidth = 1.5;
    pen.stroke();
    pen.lineTo(end, floor);
    pen.fillStyle = `${tint}26`;
    pen.fill();
  };
  side(bids, color('--buy'), 0);
  side(asks, color('--sell'), width);
  pen.fillStyle = color('--muted');
  pen.font = '11px system-ui';
  const digits = digitsOf([...book.bids, ...book.asks].map((level) => level[0]));
  for (const [share, align] of [[-0.98, 'left'], [-0.5, 'center'], [0, 'center'], [0.5, 'center'], [0.98, 'right']]) {
    pen.textAlign = align;
    pen.fillText((middle + share * reach).toFixed(digits), width / 2 + share * (width / 2), height - 7);
  }
  pen.textAlign = 'left';
  pen.fillText(most.toPrecision(3), 4, 12);
}

function draw() {
  clearTimeout(timer);
  timer = 0;
  drawnAt = performance.now();
  const book = drawn = JSON.parse(received);
  setText(parts.note, book.is_live ? `${book.bid_levels} bids, ${book.ask_levels} asks` : 'The book waits for a snapshot.');
  setAttribute(parts.depth, 'data-symbol', book.symbol);
  const seen = [...book.bids.slice(0, rows), ...book.asks.slice(0, rows), ...book.trades.map((t) => [t.price, t.amount])];
  const digits = {price: digitsOf(seen.map((level) => level[0])), amount: Math.min(6, digitsOf(seen.map((level) => level[1])))};
  showSide(parts.asks, book.asks, digits);
  showSide(parts.bids, book.bids, digits);
  const spread = book.bids.length && book.asks.length ? Number(book.asks[0][0]) - Number(book.bids[0][0]) : 0;
  setText(parts.spread, spread ? `spread ${Number(spread.toPrecision(4))}` : blank);
  const last = [...book.trades].reverse();
  parts.tape.forEach((node, i) => {
    const trade = last[i];
    setText(node.children[0], trade ? clock(trade.time_ms) : blank);
    setText(node.children[1], trade ? Number(trade.price).toFixed(digits.price) : blank);
    setAttribute(node.children[1], 'class', `num price ${trade?.side ?? ''}`);
    setText(node.children[2], trade ? Number(trade.amount).toFixed(digits.amount) : blank);
  });
  drawDepth(book);
}

// A book comes four times a second. Unless it is the one that is seen, it is drawn when its time has come.
export function showBook(text) {
  if (!parts || text === received) return;
  received = text;
  timer ||= setTimeout(draw, drawnAt + interval_ms - performance.now());
}
