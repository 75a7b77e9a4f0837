#!/usr/bin/env python3
"""dashboard_cost.py [--seconds N] [--streams N] [--program FILE] [--json] [VIEW …]

What the dashboard costs who looks at it: a collector of an emulated Binance with a thousand streams, Debian's Chromium without a
screen, and for each view the processor time of the page's renderer over a while, from /proc, and how often the page was brought up
to date. Exit code 1 if a view takes 3 % of a core or more, or is older than a second and a quarter in the median. Not part of any
test; the machine should do nothing else.
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../tests/end_to_end/monitor'))
from harness import Collector, needed, until  # noqa: E402

needed('chromium', 'chromedriver')
from browser import Browser  # noqa: E402

VIEWS = ('overview', 'pools', 'feeds', 'book', 'memory', 'loops')
CHANNELS = 'trade,book,bbo'
USUAL = 8  # instruments that the emulated market has anyway
SHARE_MAX = 0.03
GAP_MAX_MS = 1250  # between two updates: a second, and what a timer may be late
WARM_UP_S = 5
ticks = os.sysconf('SC_CLK_TCK')
watch = '''window.updates = []; window.watcher ??= new MutationObserver(() => window.updates.push(performance.now()));
window.watcher.observe(document.querySelector('[data-status=uptime_s]'), {attributes: true})'''


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('views', nargs='*', metavar='VIEW', default=VIEWS, help='all unless named')
    parser.add_argument('--seconds', type=float, default=20, help='a view')
    parser.add_argument('--streams', type=int, default=1000)
    parser.add_argument('--rate', type=int, default=1000, help='messages a second')
    parser.add_argument('--program', default=os.path.join(HERE, '../build/release/bin/marketprism'))
    parser.add_argument('--json', action='store_true')
    arguments = parser.parse_args()
    unknown = set(arguments.views) - set(VIEWS)
    if unknown:
        parser.error(f'no view is called {", ".join(sorted(unknown))}; there are {", ".join(VIEWS)}')
    return arguments


def children(pid):
    found = []
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
            found += [int(child) for child in file.read().split()]
    return found


def descendants(pid):
    for child in children(pid):
        yield child
        yield from descendants(child)


def renderers(driver):
    """The page's renderers: those of the driver's browser."""
    found = []
    for pid in descendants(driver):
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            if b'--type=renderer' in file.read():
                found.append(pid)
    return found


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
        fields = file.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / ticks


def measure(browser, view, seconds):
    browser.press(str(VIEWS.index(view) + 1))
    time.sleep(WARM_UP_S)
    browser.run(watch)
    processes = renderers(browser.driver.pid)
    began, before = time.monotonic(), sum(cpu_seconds(pid) for pid in processes)
    time.sleep(seconds)
    share = (sum(cpu_seconds(pid) for pid in processes) - before) / (time.monotonic() - began)
    times = browser.run('return window.updates')
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    return {'name': f'dashboard_{view}_renderer_share', 'value': round(share, 4), 'unit': 'cores',
            'gap_ms_median': round(gaps[len(gaps) // 2]) if gaps else None}


def main():
    arguments = parse_arguments()
    extra = max(0, arguments.streams // len(CHANNELS.split(',')) - USUAL)
    missed = False
    with Collector(arguments.program, rate=arguments.rate, channels=CHANNELS, emulate=('--extra-instruments', str(extra)),
                   extra='late_after_s = 60\nstale_after_s = 120', log=sys.stderr) as collector:
        until('all is subscribed', lambda: collector.get('/api/v1/status')['streams_up'] >= arguments.streams * 0.95, 300, sys.stderr)
        with Browser(logs=False) as browser:
            browser.open(collector.url + '/')
            for view in arguments.views:
                figure = measure(browser, view, arguments.seconds)
                is_missed = figure['value'] >= SHARE_MAX or not figure['gap_ms_median'] or figure['gap_ms_median'] > GAP_MAX_MS
                missed = missed or is_missed
                if arguments.json:
                    print(json.dumps(figure), flush=True)
                else:
                    print(f'{view:10} {100 * figure["value"]:5.1f} % of a core, an update each {figure["gap_ms_median"]} ms'
                          + ('  MISSED' if is_missed else ''), flush=True)
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
