#!/usr/bin/env python3
"""soak.py [--seconds N] [--rate N] [--warm-up N] [--connections N] [--program FILE] [--json]

Runs the whole collector against an emulated Binance for a while: TLS off, tape and Parquet on, monitoring on. Prints what a trading
firm would ask after a day: was anything dropped, does memory grow, how old is an event when the sinks see it, how late is the event
loop, does the hot path allocate, did monitoring raise a false alarm. Figures are of the time after the warm-up. Exit code 1 if a bar
is missed. Not part of any test; the machine should do nothing else.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=int, default=1200)
    parser.add_argument('--rate', type=int, default=30_000, help='messages a second')
    parser.add_argument('--warm-up', type=int, default=120, help='seconds that do not count')
    parser.add_argument('--rotate', type=int, default=0, help='replace connections after so many seconds')
    parser.add_argument('--part-seconds', type=int, default=60, help='age of a Parquet file')
    parser.add_argument('--admin-port', type=int, default=0, help='to look at the dashboard meanwhile')
    parser.add_argument('--program', default=os.path.join(HERE, '../build/release/bin/marketprism'))
    parser.add_argument('--json', action='store_true')
    arguments = parser.parse_args()
    if arguments.seconds < arguments.warm_up + 30:
        parser.error('--seconds must be at least 30 more than --warm-up')
    return arguments


def read_metrics(url):
    with urllib.request.urlopen(url + '/metrics', timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(' ', 1)[0]: float(line.rsplit(' ', 1)[1]) for line in lines if line and not line.startswith('#')}


def total(metrics, name):
    return sum(value for key, value in metrics.items() if key.split('{')[0] == name)


def quantile(before, after, name, q):
    """Of what a histogram took in between two scrapes, over all its labels; seconds, interpolated within a bucket."""
    counts = {}
    for key, value in after.items():
        if key.startswith(name + '_bucket'):
            limit = float(re.search(r'le="([^"]+)"', key).group(1))
            counts[limit] = counts.get(limit, 0) + value - before.get(key, 0)
    limits = sorted(counts)
    wanted = q * counts[limits[-1]]
    low, below = 0.0, 0.0
    for limit in limits:
        if counts[limit] >= wanted:
            if limit == float('inf'):
                return low
            return low + (limit - low) * (wanted - below) / max(counts[limit] - below, 1)
        low, below = limit, counts[limit]
    return low


def highs(samples, period):
    """The largest sample of each period: what is held between two files rises and falls with them and is no growth."""
    largest = {}
    for at, size in samples:
        number = int(at // period)
        largest[number] = max(largest.get(number, (0, 0)), (size, at))
    return [(at, size) for size, at in largest.values()]


def slope_per_minute(samples):
    """Theil and Sen's slope a minute with the bounds of its 95 % confidence interval.

    Sen's interval holds for errors that do not depend on each other. Memory that was full a minute ago is fuller than usual still,
    so the interval is widened as for an autoregressive process with the residuals' correlation from one sample to the next.
    """
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) * 60 for i, a in enumerate(samples) for b in samples[i + 1:])
    slope = statistics.median(slopes)
    rests = [value - slope * time / 60 for time, value in samples]
    middle_rest = statistics.median(rests)
    rests = [rest - middle_rest for rest in rests]
    power = sum(rest * rest for rest in rests)
    correlation = sum(a * b for a, b in zip(rests, rests[1:])) / power if power else 0
    correlation = min(max(correlation, 0), 0.9)
    n = len(samples)
    half = 1.96 * (n * (n - 1) * (2 * n + 5) / 18 * (1 + correlation) / (1 - correlation)) ** 0.5 / 2
    middle = len(slopes) / 2
    return slope, slopes[max(int(middle - half), 0)], slopes[min(int(middle + half), len(slopes) - 1)]


def resident_bytes(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as status:
        return int(re.search(r'VmRSS:\s+(\d+)', status.read()).group(1)) * 1024


def run(arguments, folder):
    program = os.path.abspath(arguments.program)
    exchange = subprocess.Popen([program, 'emulate', '--json', '--exchange', 'binance', '--rate', str(arguments.rate), '--no-limits'],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    collector = None
    try:
        address = json.loads(exchange.stdout.readline())['rest']
        with open(os.path.join(folder, 'soak.toml'), 'w', encoding='utf-8') as out:
            out.write(f'duration_s = {arguments.seconds}\n[store]\ndirectory = "{folder}/data"\nrotate_age_s = {arguments.part_seconds}\n'
                      '[admin]\nlisten = "127.0.0.1:' + str(arguments.admin_port) + '"\n'
                      f'[[exchange]]\nname = "binance"\nsymbols = ["*"]\nchannels = ["trade", "book", "bbo"]\naddress = "{address}"\n' +
                      (f'connection_lifetime_s = {arguments.rotate}\n' if arguments.rotate else ''))
        log = open(os.path.join(folder, 'collector.txt'), 'w+', encoding='utf-8')
        collector = subprocess.Popen([program, 'collect', os.path.join(folder, 'soak.toml')], stdout=log, stderr=subprocess.STDOUT)
        start = time.monotonic()
        url = None
        while url is None:
            time.sleep(0.1)
            with open(log.name, encoding='utf-8') as said:
                found = re.search(r'dashboard and API: (\S+)', said.read())
            url = found and found.group(1)
            if collector.poll() is not None or time.monotonic() - start > 30:
                raise SystemExit('the collector did not start:\n' + open(log.name, encoding='utf-8').read())
        time.sleep(max(start + arguments.warm_up - time.monotonic(), 0))
        before, began, samples = read_metrics(url), time.monotonic(), []
        while time.monotonic() < start + arguments.seconds - 5:
            samples.append((time.monotonic() - began, resident_bytes(collector.pid)))
            time.sleep(5)
        after, took = read_metrics(url), time.monotonic() - began
        with urllib.request.urlopen(url + '/api/v1/loops', timeout=10) as answer:
            loops = json.loads(answer.read())
        code = collector.wait(120)
        log.seek(0)
        return before, after, took, samples, loops, code, log.read()
    finally:
        for process in (collector, exchange):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
        exchange.stdout.close()


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        before, after, took, samples, loops, code, said = run(arguments, folder)
    def grown(name):
        return total(after, name) - total(before, name)
    messages = grown('marketprism_feed_messages_total')
    slope, low, high = slope_per_minute(highs(samples, max(arguments.part_seconds, 15)))
    threads = {}
    for thread in loops['threads']:
        threads[thread['name']] = threads.get(thread['name'], 0) + thread['cpu_s']
    figures = [
        ('soak_messages_per_s', messages / took, '1/s', lambda v: v > 0.98 * arguments.rate),
        ('soak_dropped', total(after, 'marketprism_sink_dropped_total'), '1', lambda v: v == 0),
        ('soak_gaps', total(after, 'marketprism_feed_gaps_total'), '1', lambda v: v == 0),
        ('soak_delay_p50_ms', 1e3 * quantile(before, after, 'marketprism_feed_delay_seconds', 0.5), 'ms', None),
        ('soak_delay_p99_ms', 1e3 * quantile(before, after, 'marketprism_feed_delay_seconds', 0.99), 'ms', lambda v: v < 5),
        ('soak_loop_lag_p99_ms', 1e3 * quantile(before, after, 'marketprism_loop_lag_seconds', 0.99), 'ms', lambda v: v < 2),
        ('soak_loop_allocations_per_message', grown('marketprism_loop_allocations_total') / messages, '1', lambda v: v < 0.001),
        ('soak_loop_alarms', total(after, 'marketprism_loop_alarms_total'), '1', lambda v: v == 0),
        ('soak_leaks_suspected', total(after, 'marketprism_memory_leaking'), '1', lambda v: v == 0),
        ('soak_resident_mib_max', max(s[1] for s in samples) / 2**20, 'MiB', lambda v: v < 300),
        ('soak_resident_slope_kib_per_min', slope / 1024, 'KiB/min', lambda v: low <= 0 <= high),
        ('soak_resident_slope_low_kib_per_min', low / 1024, 'KiB/min', None),
        ('soak_resident_slope_high_kib_per_min', high / 1024, 'KiB/min', None),
        ('soak_exit_code', code, '1', lambda v: v == 0),
    ]
    figures += [(f'soak_cpu_{re.sub("[^a-z0-9]+", "_", name)}_cores', cpu / arguments.seconds, '1', None)
                for name, cpu in threads.items()]
    missed = 0
    for name, value, unit, is_met in figures:
        missed += is_met is not None and not is_met(value)
        if arguments.json:
            print(json.dumps({'name': name, 'value': round(value, 6), 'unit': unit}))
        else:
            verdict = '' if is_met is None else 'ok' if is_met(value) else 'MISSED'
            print(f'{name:<42} {value:>14,.4f} {unit:<8} {verdict}')
    if not arguments.json:
        step = max(len(samples) // 20, 1)
        print('resident MiB over time:', ' '.join(f'{size / 2**20:.1f}' for _, size in samples[::step]))
        print(said[said.rfind('exchange  '):])
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
