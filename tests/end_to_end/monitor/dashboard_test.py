"""dashboard_test.py PROGRAM FOLDER: the dashboard in a real browser; screenshots go to FOLDER."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import Collector, expect, needed, until  # noqa: E402

needed('chromium', 'chromedriver')
import doctored  # noqa: E402
from browser import Browser  # noqa: E402

folder = sys.argv[2]
os.makedirs(folder, exist_ok=True)
VIEWS = ('overview', 'pools', 'feeds', 'book', 'memory', 'loops')
RIGHT = '\ue014'
shown = 'const node = document.querySelector(arguments[0]); return node && [node.textContent, node.dataset.value ?? null, node.dataset.health ?? null]'
shifts = '''if (!window.shifts) new PerformanceObserver((list) => {
  const name = (node) => `${(node?.outerHTML ?? node?.parentNode?.outerHTML ?? 'gone').slice(0, 90)}`;
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts.push([one.value, ...one.sources.map((s) => name(s.node))]);
}).observe({type: 'layout-shift'});
window.shifts = []'''


# Whether a view's plots show data: lines, cells and areas are coloured, what is drawn without data is nearly grey.
drawn = '''return [...document.getElementById(arguments[0]).querySelectorAll('canvas')].every((canvas) => {
  if (canvas.closest('.plot') && !(canvas.closest('.plot').dataset.points >= 2)) return false;
  const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
  pen.drawImage(canvas, 0, 0);
  const {data} = pen.getImageData(0, 0, canvas.width, canvas.height);
  let coloured = 0;
  for (let i = 0; i < data.length; i += 4)
    coloured += data[i + 3] > 60 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 40;
  return coloured > 50;
})'''


def text(browser, place):
    found = browser.run(shown, place)
    return found[0] if found else None


def health(browser, place):
    found = browser.run(shown, place)
    return found[2] if found else None


def check_values(browser, collector):
    until('the page is fresh', lambda: health(browser, '#pill') == 'fresh')
    status = collector.get('/api/v1/status')
    for field in ('streams_up', 'books_live', 'connections', 'gaps', 'dropped'):
        value = browser.run(shown, f'#overview [data-field={field}]')[1]
        expect(f'{field} is the API\'s', float(value) == status[field], value, status[field])
    chips = browser.run('return [...document.querySelectorAll("[data-feed]")].map((n) => [n.dataset.feed, n.dataset.health])')
    feeds = [[f'{feed["exchange"]}/{feed["data_type"]}', feed['health']] for feed in collector.get('/api/v1/feeds')['feeds']]
    expect('each feed has its chip', sorted(chips) == sorted(feeds), chips, feeds)
    browser.press('2')
    until('a key opens a view', lambda: browser.run('return location.hash') == '#pools')

    def is_same(name, field):
        there = next(pool for pool in collector.get('/api/v1/pools')['pools'] if pool['name'] == name)[field]
        return abs(float(browser.run(shown, f'[data-pool="{name}"] [data-field={field}]')[1]) - there) < 1e-9 * max(1, there)
    for pool in collector.get('/api/v1/pools')['pools']:
        for field in ('waiters', 'closing', 'memory_bytes', 'connection_bytes') + (('hit_rate', 'reuse_rate', 'time_saved_ms', 'connections_saved') if pool['slots'] is None else ()):
            until(f'{pool["name"]} {field} is the API\'s', lambda: is_same(pool['name'], field), 15)
    saved = 'return Number(document.querySelector("[data-tile=\\"Connections saved\\"]").dataset.value)'
    until('connections saved are those of the report', lambda: browser.run(saved) == collector.get('/api/v1/report')['connections_saved'] > 0, 15)
    cells = browser.run('return document.querySelectorAll("#pools article .cell").length')
    expect('each connection has its cell', cells == len(collector.get('/api/v1/connections')['connections']), cells)


def cells(browser, view, label):
    """{row: {field: value}} of a table, and the uptime that it is of."""
    return browser.run('''const rows = document.querySelectorAll(`#${arguments[0]} [aria-label="${arguments[1]}"] tbody tr`);
      return [Object.fromEntries([...rows].map((row) => [row.dataset.key,
        Object.fromEntries([...row.querySelectorAll('[data-field]')].map((cell) => [cell.dataset.field, cell.dataset.value]))])),
        Number(document.querySelector('[data-status=uptime_s]').dataset.value)]''', view, label)


def check_table(browser, collector, view, label, path, fields, name=lambda row: row['name']):
    """Numbers that only grow: the page's are between the API's before and after."""
    rows = path.rsplit('/', 1)[-1]
    path = path.rsplit('/', 1)[0] if path.count('/') > 3 else path
    browser.press(str(VIEWS.index(view) + 1))
    before = {name(row): row for row in collector.get(path)[rows]}
    began = collector.get('/api/v1/status')['uptime_s']
    until(f'{label} are brought up to date', lambda: cells(browser, view, label)[1] > began)
    page = cells(browser, view, label)[0]
    after = {name(row): row for row in collector.get(path)[rows]}
    for key, row in before.items():
        for field in fields:
            if row.get(field) is not None:
                expect(f'{key} {field} is the API\'s', row[field] <= float(page[key][field]) <= after[key][field], row[field], page[key], after[key][field])


def check_more_values(browser, collector):
    check_table(browser, collector, 'feeds', 'Feeds', '/api/v1/feeds', ('messages', 'gaps', 'streams'), lambda row: f'{row["exchange"]}/{row["data_type"]}')
    check_table(browser, collector, 'loops', 'Event loops', '/api/v1/loops', ('allocations',))
    check_table(browser, collector, 'loops', 'Queues', '/api/v1/queues', ('max', 'dropped'))
    check_table(browser, collector, 'loops', 'Sinks', '/api/v1/sinks', ('rows', 'files', 'bytes', 'dropped'))
    check_table(browser, collector, 'memory', 'Memory by owner', '/api/v1/memory/owners', ('limit_bytes',))
    threads = cells(browser, 'loops', 'Threads')[0]
    told = collector.get('/api/v1/loops')['threads']
    expect('each thread has its row', sorted(key.rsplit('/', 1)[0] for key in threads) == sorted(thread['name'] for thread in told), threads, told)
    before = collector.get('/api/v1/memory')
    began = collector.get('/api/v1/status')['uptime_s']
    until('memory is brought up to date', lambda: cells(browser, 'memory', 'Memory by owner')[1] > began)
    page, owners = float(browser.run(shown, '#memory [data-field=rss_peak_bytes]')[1]), cells(browser, 'memory', 'Memory by owner')[0]
    after = collector.get('/api/v1/memory')
    expect('the most memory so far is the API\'s', before['rss_peak_bytes'] <= page <= after['rss_peak_bytes'], page)
    sizes = [one['bytes'] for told in (before, after) for one in told['owners'] if one['name'] == 'instruments']
    expect('the bytes of an owner that stands still are the API\'s', sizes == 2 * [float(owners['instruments']['bytes'])], sizes, owners)


def check_killed_connection(browser, collector):
    lost = 'return document.querySelectorAll("[data-state=lost]").length'
    times = []
    browser.press('2')
    for _ in range(3):  # the machine may be busy with something else once
        before = browser.run(lost)
        began = time.monotonic()
        collector.proxies['binance'].cut_all()
        until('a killed connection shows', lambda: browser.run(lost) > before)
        times.append(time.monotonic() - began)
        if times[-1] < 2:
            break
        until('all is up again', collector.is_ready)
    expect('… within 2 s', min(times) < 2, times)
    browser.screenshot(os.path.join(folder, 'killed.png'))
    browser.press('1')
    until('and is told', lambda: 'was lost' in text(browser, '.messages'))
    until('all is up again', collector.is_ready)


def check_stalled_feed(browser, collector):
    chip = '[data-feed="binance/trade"]'
    until('the feed is fresh', lambda: health(browser, chip) == 'fresh')
    collector.proxies['binance'].is_stalled = True
    seen = ['fresh']

    def is_stale():
        now = health(browser, chip)
        if now != seen[-1]:
            seen.append(now)
        return now == 'stale'
    until('a stalled feed turns red', is_stale)
    expect('… after amber', seen == ['fresh', 'late', 'stale'], seen)
    until('the page says so', lambda: 'nothing for' in text(browser, '.attention') and text(browser, '#pill') == 'not ready')
    expect('and so does /readyz', collector.request('/readyz')[0] == 503)
    expect('the other exchange is fresh', health(browser, '[data-feed="okx/trade"]') == 'fresh')
    browser.screenshot(os.path.join(folder, 'stalled.png'))


def check_book(browser, collector):
    """While the feed is stalled the book stands still, so that the page's and the API's can be compared."""
    browser.press('4')
    until('the book is drawn', lambda: browser.run('return document.querySelector(".depth")?.dataset.symbol') is not None)
    symbol = browser.run('return document.querySelector(".depth").dataset.symbol')
    book = collector.get(f'/api/v1/books?exchange=binance&symbol={symbol}')
    wanted = [[float(x) for x in book[side][0]] for side in ('asks', 'bids')]

    def best():
        rows = browser.run('return [...document.querySelectorAll(".ladder tr")].map((r) => [...r.children].map((c) => c.textContent))')
        return [[float(cell) for cell in rows[i][:2] if cell.strip()] for i in (11, 13)]
    until('the best levels are the API\'s', lambda: best() == wanted)


def check_book_draws(browser, collector):
    """What drawing costs is its number: none while the book stands still, few while it changes."""
    def draws():
        return browser.run('''const pen = CanvasRenderingContext2D.prototype;
          if (window.draws === undefined) {
            window.draws = 0;
            const clear = pen.clearRect;
            pen.clearRect = function (...place) { window.draws += this.canvas.className === 'depth'; return clear.apply(this, place); };
          }
          return window.draws''')

    def updates():
        return float(browser.run(shown, '[data-status=uptime_s]')[1])
    draws()
    began = updates()
    until('three seconds pass', lambda: updates() >= began + 3)
    expect('a book that stands still is not drawn again', draws() <= 1, draws())
    collector.proxies['binance'].is_stalled = False
    before = draws()
    until('a book that changes is drawn', lambda: draws() >= before + 3)
    before, began = draws(), time.monotonic()
    until('a while passes', lambda: draws() >= before + 8)
    expect('not oftener than four times a second', 8 / (time.monotonic() - began) <= 4.2, time.monotonic() - began)


def check_keyboard(browser):
    browser.press('1')
    browser.run('document.getElementById("tab-overview").focus()')
    for name in VIEWS[1:] + VIEWS[:1]:
        browser.press(RIGHT)
        until(f'the arrow opens {name}', lambda: browser.run('return document.activeElement.id') == f'tab-{name}')
        expect(f'{name} is shown alone', browser.run('return [...document.querySelectorAll("section:not([hidden])")].map((s) => s.id)') == [name])
    names = browser.run('return [...document.querySelectorAll("button, select, canvas, [role=img]")].filter((n) => !n.textContent.trim() && !n.ariaLabel && !n.title).length')
    expect('everything that can be reached has a name', names == 0, names)


def check_rate(browser):
    """Each view is brought up to date at least once a second, and nothing moves."""
    for i, view in enumerate(VIEWS):
        browser.press(str(i + 1))
        until(f'{view} is seen', lambda: browser.run('return document.querySelector("section:not([hidden])").id') == view)
        if view == 'book':
            until('the tape is full', lambda: browser.run('return document.querySelector(".tape tr:last-child").textContent.trim()') != '')
        time.sleep(1)  # what moves because a key was pressed does not count; the browser takes half a second for that
        browser.run(shifts)
        browser.run('''const node = document.querySelector('[data-status=uptime_s]');
          window.watcher ??= new MutationObserver(() => window.watched.push(performance.now()));
          window.watched = [];
          window.watcher.observe(node, {attributes: true})''')
        until(f'{view} is brought up to date', lambda: browser.run('return window.watched.length >= 5') is True)
        times = browser.run('return window.watched')
        gaps = sorted(b - a for a, b in zip(times, times[1:]))
        expect('… at least once a second', gaps[len(gaps) // 2] <= 1250, gaps)
        moved = browser.run('return window.shifts')
        expect(f'nothing jumps in {view}', sum(one[0] for one in moved) < 0.02, moved)


def check_looks(collector):
    for width, height, dark in ((1280, 900, False), (1280, 900, True), (390, 844, False), (390, 844, True)):
        with Browser(width, height, dark) as browser:
            browser.open(collector.url + '/')
            until('the page loads', lambda: health(browser, '#pill') == 'fresh')
            for i, view in enumerate(VIEWS):
                browser.press(str(i + 1))
                until(f'{view} has numbers', lambda: len(browser.run('return document.getElementById(arguments[0]).innerText', view)) > 100)
                if view == 'book':
                    until('the book is drawn', lambda: browser.run('return document.querySelector(".depth").dataset.symbol') is not None)
                    until('a trade is shown', lambda: browser.run('return document.querySelector(".tape td").textContent.trim()') != '')
                until(f'the plots of {view} have data', lambda: browser.run(drawn, view), 15)
                wide = browser.run('return document.documentElement.scrollWidth')
                expect(f'{view} fits {width} px', wide <= width, wide)
                browser.screenshot(os.path.join(folder, f'{view}-{width}-{"dark" if dark else "light"}.png'), whole=True)
            paper = browser.run('return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)')
            expect('it is dark or light as asked for', (max(paper) < 60) == dark, paper)
            expect('the page has nothing to complain of', browser.complaints() == [], browser.complaints())


def check_refused(collector):
    """With as many listeners as there may be the page is refused: it says so and comes back by itself."""
    others = collector.fill_stream()
    with Browser() as browser:
        browser.open(collector.url + '/')
        until('a refused page says why', lambda: 'too many listen' in text(browser, '#notice'))
        for one in others:
            one.close()
        until('it comes back by itself', lambda: health(browser, '#pill') == 'fresh')
        expect('and says no more', browser.run('return document.getElementById("notice").hidden'))


def check_gone(browser):
    """The collector has ended."""
    silent = 'return document.body.dataset.silent'
    chip = '[data-feed="okx/trade"]'
    until('the page is marked as old', lambda: browser.run(silent) == 'true', 15)
    expect('in words, too', text(browser, '#notice').startswith('No news from the collector since'), text(browser, '#notice'))
    expect('the header says so', (health(browser, '#pill'), text(browser, '#pill')) == ('stale', 'collector does not answer'))
    expect('the banner says so', 'does not answer' in text(browser, '.banner strong') and health(browser, '.banner') == 'stale')
    expect('it looks so', float(browser.run('return getComputedStyle(document.querySelector("main")).opacity')) < 0.7)
    expect('nothing says that all is well', 'does not answer' in text(browser, '.attention'), text(browser, '.attention'))
    before = text(browser, chip)
    until('ages go on counting', lambda: text(browser, chip) != before)
    until('until all is stale', lambda: health(browser, chip) == 'stale', 15)
    browser.screenshot(os.path.join(folder, 'gone.png'))


with Collector(sys.argv[1], exchanges=('binance', 'okx'), extra='late_after_s = 3\nstale_after_s = 7') as collector:
    until('the collector is ready', collector.is_ready)
    check_looks(collector)
    check_refused(collector)
    with Browser() as browser:
        browser.before_pages(doctored.script)
        browser.open(collector.url + '/')
        check_values(browser, collector)
        check_more_values(browser, collector)
        doctored.check_all(browser)
        check_killed_connection(browser, collector)
        check_stalled_feed(browser, collector)
        check_book(browser, collector)
        check_book_draws(browser, collector)
        browser.press('1')
        until('the feed is fresh again', lambda: health(browser, '[data-feed="binance/trade"]') == 'fresh')
        check_keyboard(browser)
        check_rate(browser)
        # The browser's own pages (chrome:, chrome-untrusted:) go nowhere.
        others = [url for url in browser.requested() if url.startswith(('http', 'ws')) and not url.startswith(collector.url)]
        expect('nothing is asked of anybody else', others == [], others)
        browser.press('1')
        expect('the collector ends in order', collector.request('/api/v1/drain', 'POST')[0] == 202 and collector.collector.wait(60) == 0)
        check_gone(browser)
