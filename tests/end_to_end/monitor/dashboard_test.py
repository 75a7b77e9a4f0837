"""dashboard_test.py PROGRAM FOLDER: the dashboard in a real browser; screenshots go to FOLDER."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import Collector, expect, needed, until  # noqa: E402

needed('chromium', 'chromedriver')
from browser import Browser  # noqa: E402

folder = sys.argv[2]
os.makedirs(folder, exist_ok=True)
VIEWS = ('overview', 'pools', 'feeds', 'book', 'memory', 'loops')
RIGHT = '\ue014'
shown = 'const node = document.querySelector(arguments[0]); return node && [node.textContent, node.dataset.value ?? null, node.dataset.health ?? null]'
shifts = '''window.shifted ??= 0; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({type: 'layout-shift', buffered: true})'''


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
    for pool in collector.get('/api/v1/pools')['pools']:
        for field in ('waiters', 'memory_bytes') + (('hit_rate', 'reuse_rate', 'time_saved_ms', 'connections_saved') if pool['slots'] is None else ()):
            value = browser.run(shown, f'[data-pool="{pool["name"]}"] [data-field={field}]')[1]
            expect(f'{pool["name"]} {field} is the API\'s', abs(float(value) - pool[field]) < 1e-9 * max(1, pool[field]), value, pool[field])
    cells = browser.run('return document.querySelectorAll("#pools article .cell").length')
    expect('each connection has its cell', cells == len(collector.get('/api/v1/connections')['connections']), cells)


def check_killed_connection(browser, collector):
    lost = 'return document.querySelectorAll("[data-state=lost]").length'
    times = []
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
    rows = browser.run('return [...document.querySelectorAll(".ladder tr")].map((r) => [...r.children].map((c) => c.textContent))')
    best = [[float(cell) for cell in rows[i][:2]] for i in (11, 13)]
    expect('the best levels are the API\'s', best == [[float(x) for x in book[side][0]] for side in ('asks', 'bids')], best, book['asks'][0], book['bids'][0])


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
    browser.run(shifts)
    until('it updates at least once a second', lambda: browser.run('''
      const node = document.querySelector('[data-status=uptime_s]');
      if (!window.watched) { window.watched = []; new MutationObserver(() => window.watched.push(performance.now())).observe(node, {attributes: true}); }
      return window.watched.length >= 6''') is True)
    times = browser.run('return window.watched')
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    expect('… at least once a second', gaps[len(gaps) // 2] <= 1250, gaps)
    expect('nothing jumps', browser.run('return window.shifted') < 0.02, browser.run('return window.shifted'))


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
                wide = browser.run('return document.documentElement.scrollWidth')
                expect(f'{view} fits {width} px', wide <= width, wide)
                browser.screenshot(os.path.join(folder, f'{view}-{width}-{"dark" if dark else "light"}.png'), whole=True)
            paper = browser.run('return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)')
            expect('it is dark or light as asked for', (max(paper) < 60) == dark, paper)
            expect('the page has nothing to complain of', browser.complaints() == [], browser.complaints())


with Collector(sys.argv[1], exchanges=('binance', 'okx'), extra='late_after_s = 3\nstale_after_s = 7') as collector:
    until('the collector is ready', collector.is_ready)
    check_looks(collector)
    with Browser() as browser:
        browser.open(collector.url + '/')
        check_values(browser, collector)
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
    expect('the collector ends in order', collector.request('/api/v1/drain', 'POST')[0] == 202 and collector.collector.wait(60) == 0)
