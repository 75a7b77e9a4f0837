// The stream of server-sent events. EventSource asks again by itself when a connection is cut, but gives up for good when it is refused.
const firstWait_ms = 1000;
const longestWait_ms = 30000;
let source = null;
let query = null;  // '' or that of the book that is wanted
let wait_ms = firstWait_ms;
let timer = 0;
let handlers = {};

const address = () => `/api/v1/stream${query}`;

// EventSource does not tell why it was refused.
async function reason() {
  const abort = new AbortController();
  try {
    const reply = await fetch(address(), {signal: abort.signal});
    return reply.ok ? '' : (await reply.json()).error;
  } catch {
    return 'no answer';
  } finally {
    abort.abort();
  }
}

async function refused(by) {
  const why = await reason();
  if (by !== source) return;  // another was asked for meanwhile
  handlers.refused(why);
  timer = setTimeout(connect, wait_ms * (0.75 + Math.random() / 2));
  wait_ms = Math.min(2 * wait_ms, longestWait_ms);
}

function connect() {
  clearTimeout(timer);
  source?.close();
  const one = source = new EventSource(address());
  one.addEventListener('picture', (event) => {
    wait_ms = firstWait_ms;
    handlers.picture(event.data);
  });
  one.addEventListener('book', (event) => handlers.book(event.data));
  one.addEventListener('open', handlers.opened);
  one.addEventListener('error', () => {
    if (one.readyState === EventSource.CLOSED && one === source) refused(one);
  });
}

// {picture(text), book(text), opened(), refused(why)}
export function setHandlers(all) {
  handlers = all;
}

// The instrument whose book is wanted; '' for none. Another one needs another stream.
export function listen(wanted) {
  if (wanted === query) return;
  query = wanted;
  connect();
}

export const isListening = () => query !== null;
