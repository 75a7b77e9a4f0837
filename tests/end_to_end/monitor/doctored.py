"""The dashboard when the pictures that it gets are altered on their way: states that are hard to bring about, and what it makes of them."""
from harness import expect, until

# In the page before its own scripts: window.doctor alters each picture, window.sources has all streams that were opened.
script = '''{
  const Original = EventSource;
  window.sources = [];
  window.EventSource = class extends Original {
    constructor(url) { super(url); window.sources.push(this); }
    addEventListener(type, listener, ...others) {
      super.addEventListener(type, type !== 'picture' ? listener : (event) => {
        const picture = JSON.parse(event.data);
        window.doctor?.(picture);
        listener(new MessageEvent(type, {data: JSON.stringify(picture)}));
        window.pictures = (window.pictures ?? 0) + 1;
      }, ...others);
    }
  };
}'''


class Doctor:
    def __init__(self, browser):
        self.browser = browser

    def __call__(self, alteration, what='pictures are altered'):
        """From now on; returns when the page has drawn one."""
        before = self.browser.run(f'window.doctor = (p) => {{{alteration}}}; return window.pictures ?? 0')
        until(what, lambda: self.browser.run('return window.pictures ?? 0') > before)

    def lines(self, label):
        return self.browser.run('return [...document.querySelectorAll(`[aria-label="${arguments[0]}"] tbody tr`)].map('
                                '(row) => [...row.children].map((cell) => [cell.textContent, cell.dataset.health ?? null]))', label)


def check_feeds(browser, doctor):
    browser.press('3')
    never = 'p.feeds.streams = [["binance", "NEVER-HEARD", "trade", -1, 0]];'
    doctor(never + 'p.status.uptime_s = 1')
    expect('a stream that was not heard yet is not late at once', doctor.lines('Streams that were silent longest')[0][0] == ['NEVER-HEARD', 'fresh'],
           doctor.lines('Streams that were silent longest'))
    doctor(never + 'p.status.uptime_s = 5')
    expect('then it is late', doctor.lines('Streams that were silent longest')[0][0][1] == 'late')
    doctor(never + 'p.status.uptime_s = 100')
    expect('and at last stale', doctor.lines('Streams that were silent longest')[0][0][1] == 'stale')
    doctor('''p.status.uptime_s = 1000;
      p.feeds.streams = Array.from({length: 20}, (_, i) => ["binance", `QUIET-${i}`, "liquidation", -1, 0]);
      p.feeds.streams.push(["binance", "LATE", "trade", 4, 9], ["binance", "STALE", "trade", 60, 9], ["binance", "STALER", "trade", 90, 9])''')
    first = [row[0] for row in doctor.lines('Streams that were silent longest')[:4]]
    expect('what is stale comes first, then what is late', first[:3] == [['STALER', 'stale'], ['STALE', 'stale'], ['LATE', 'late']] and first[3][1] == 'fresh', first)
    doctor('for (const feed of p.feeds.feeds) feed.late = feed.stale = 0; p.feeds.feeds[0].late = 2; p.feeds.feeds[0].stale = 1')
    said = browser.run('const n = document.querySelector(".lateness"); return [n.textContent, n.dataset.health]')
    expect('one stale stream among many is told', '1 stale, 2 late' in said[0] and said[1] == 'stale', said)
    expect('and its feed is marked', doctor.lines('Feeds')[0][-2:] == [['2', 'late'], ['1', 'stale']], doctor.lines('Feeds')[0])
    doctor('for (const feed of p.feeds.feeds) feed.late = feed.stale = 0')
    expect('else nothing is', browser.run('return document.querySelector(".lateness").dataset.health') == 'fresh')


def check_connections(browser, doctor):
    browser.press('2')

    def states():
        return browser.run('return Object.fromEntries([...document.querySelectorAll("#pools article .cell")].filter('
                           '(n) => n.dataset.id >= 9000).map((n) => [n.dataset.id, n.dataset.state]))')
    some = '''const pool = p.pools.pools.find((one) => one.slots), others = [9001, 9002, 9003].map((id) => (
        {...p.connections.connections[0], pool: pool.name, id, state: id === 9003 ? "active" : "idle"}));'''
    doctor(some + 'p.connections.connections.push(...others)')
    expect('all are there', set(states().values()) == {'idle', 'active'}, states())
    doctor(some + 'p.connections.connections.push(others[1], others[2]); ++pool.counters.closed.idle')
    expect('a connection that the pool closed is not lost', states() == {'9001': 'ended', '9002': 'idle', '9003': 'active'}, states())
    doctor(some + 'pool.counters.closed.idle += 2; ++pool.counters.closed.broken')
    expect('of two that go at once the one in use is lost', states() == {'9001': 'ended', '9002': 'ended', '9003': 'lost'}, states())
    doctor('')
    stops = browser.run('return [...document.querySelectorAll("#pools article")].map((pool) => ['
                        'pool.querySelectorAll(".cell").length, pool.querySelectorAll(".cell[tabindex=\\"0\\"]").length])')
    expect('the tab key stops once in each pool', all(with_stop == min(cells, 1) for cells, with_stop in stops), stops)
    browser.run('const cell = document.querySelector("#pools .cell[tabindex=\\"0\\"]"); cell.focus(); cell.click()')
    until('a connection tells of itself', lambda: 'old' in browser.run('return document.querySelector("#pools .detail:not([hidden])")?.textContent ?? ""'))
    focused = 'return document.activeElement.dataset.id'
    before = browser.run(focused)
    browser.press('\ue014')
    expect('the arrow goes to the next', browser.run(focused) != before and browser.run('return document.activeElement.tabIndex') == 0)
    browser.run('document.querySelector("#pools [aria-expanded=true]").click()')
    expect('and shuts up', browser.run('return document.querySelector("#pools .detail:not([hidden])")') is None)


def check_loops_and_memory(browser, doctor):
    browser.press('6')
    doctor('p.queues.queues[0].dropped += 5')
    expect('a queue that drops is red', doctor.lines('Queues')[0][0][1] == 'stale', doctor.lines('Queues'))
    doctor('p.queues.queues[0].dropped += 5; p.status.uptime_s += 100')
    expect('but not for ever', doctor.lines('Queues')[0][0][1] == 'fresh' and doctor.lines('Queues')[0][3][0] == '5', doctor.lines('Queues'))
    doctor('''p.loops.alarms = [{loop: "collector", handler: "decode", time_ms: 1e12, blocked_ms: 150, stack: ["inner", "middle", "outer"]},
      {loop: "collector", handler: "", time_ms: 1e12 + 5, blocked_ms: 150, stack: ["alone"]}]''')
    stacks = browser.run('return [...document.querySelectorAll("#loops details")].map((n) => '
                         '[n.firstChild.textContent, [...n.querySelectorAll("li")].map((li) => li.textContent)])')
    expect('an alarm shows its whole stack', stacks == [['alone', ['alone']], ['decode', ['inner', 'middle', 'outer']]], stacks)
    browser.press('5')
    doctor('const rss = p.memory.trends.find((one) => one.name === "rss"); rss.verdict = "settling"; rss.growth_bytes_per_min = -2048')
    expect('what shrinks is not shown as standing still', doctor.lines('Memory by owner')[0][-1][0] == '−2.0 KiB', doctor.lines('Memory by owner')[0])
    until('the profiler\'s state is told', lambda: browser.run('return document.querySelector("#memory [role=status]").textContent') == 'It is off.')
    doctor('')


def check_book(browser, doctor):
    listening = 'return window.sources.filter((one) => one.readyState !== 2).map((one) => new URL(one.url).search)'
    asked = 'return performance.getEntriesByType("resource").filter((one) => one.name.includes("/api/v1/books")).length'
    browser.press('4')
    until('a book is asked for', lambda: [('symbol=' in one) for one in browser.run(listening)] == [True])
    doctor('p.feeds.streams.push(["binance", "NEW-BOOK", "book", 0.1, 1])')
    options = browser.run('return [...document.querySelector("#book select").options].map((one) => one.value)')
    expect('a book that comes with a reload is offered', 'binance NEW-BOOK' in options, options)
    browser.press('1')
    until('after leaving no book is asked for', lambda: browser.run(listening) == [''])
    browser.press('4')
    until('coming back it is', lambda: [('symbol=' in one) for one in browser.run(listening)] == [True])
    doctor('p.feeds.streams = p.feeds.streams.filter((one) => one[2] !== "book")')
    doctor(';', 'another picture comes')
    before = browser.run(asked)
    doctor('p.feeds.streams = p.feeds.streams.filter((one) => one[2] !== "book")')
    doctor('p.feeds.streams = p.feeds.streams.filter((one) => one[2] !== "book")', 'and another')
    expect('without books it says so and does not ask again and again', browser.run(asked) == before and
           'No books' in browser.run('return document.querySelector("#book .bar").textContent'), browser.run(asked),
           browser.run('return document.querySelector("#book .bar").textContent'), browser.run(listening))
    doctor('')


def check_live_regions(browser, doctor):
    """What a screen reader reads out by itself must not change while nothing happens."""
    browser.press('1')
    doctor('')
    browser.run('''window.spoken = [];
      for (const node of document.querySelectorAll('[role=status], [role=alert], [aria-live]'))
        new MutationObserver(() => window.spoken.push(node.textContent)).observe(node, {childList: true, characterData: true, subtree: true})''')
    for _ in range(3):
        doctor('p.status.uptime_s += 1000 * Math.random()', 'a second passes')
    expect('nothing is read out again and again', browser.run('return window.spoken') == [], browser.run('return window.spoken'))
    doctor('')


def check_all(browser):
    doctor = Doctor(browser)
    for check in (check_feeds, check_connections, check_loops_and_memory, check_book, check_live_regions):
        check(browser, doctor)
