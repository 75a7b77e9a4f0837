"""collect_recordings_test.py PROGRAM [SPEED]: the emulator serves six recordings over TLS, one `collect` stores tape and Parquet.

Per (exchange, symbol, type) and in order the stored events equal those of `replay` of the recordings, compared as decimals,
receive_time and connection left out; a replay of the tape just written gives the same again; a second run gives the same.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from decimal import Decimal

import recordings

VENUES = {
    'BINANCE': ('binance', {}), 'BINANCE_US': ('binance-us', {}), 'BINANCE_FUTURES': ('binance-futures', {}),
    'BINANCE_DELIVERY': ('binance-delivery', {}), 'OKX': ('okx', {'bbo': 'tickers'}),
    'DERIBIT': ('deribit', {'book': 'raw', 'trade': 'raw', 'bbo': 'ticker.raw'}),
}
CHANNELS = {'binance': ['agg_trade', 'book', 'bbo', 'candle'], 'okx': ['trade', 'book', 'bbo'], 'deribit': ['trade', 'book', 'bbo']}
UNCOMPARED = ('receive_time', 'connection')
NUMBERS = ('price', 'amount', 'bid_price', 'bid_amount', 'ask_price', 'ask_amount', 'open', 'high', 'low', 'close', 'volume', 'rate',
           'contract_size', 'tick_size', 'lot_size', 'strike')
program = sys.argv[1]
speed = sys.argv[2] if len(sys.argv) > 2 else '10'


def number(value):
    return None if value is None else Decimal(value)


def normal(event):
    """An event without what differs from run to run, its numbers as decimals."""
    event = {k: v for k, v in event.items() if k not in UNCOMPARED}
    for name in NUMBERS:
        if name in event:
            event[name] = number(event[name])
    for side in ('bids', 'asks'):
        if side in event:
            event[side] = [(number(p), number(a)) for p, a in event[side]]
    return event


def by_key(lines):
    found = defaultdict(list)
    for line in lines:
        event = json.loads(line)
        found[event['exchange'], event['symbol'], event['type']].append(normal(event))
    return found


def replay(paths, exchange=None):
    command = [program, 'replay', '--quiet'] + (['--exchange', exchange] if exchange else []) + paths
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return by_key(done.stdout.splitlines())


def symbols_of(truth, exchange):
    return sorted({symbol for venue, symbol, kind in truth if venue == exchange and kind != 'instrument'})


def write_config(path, folder, addresses, truth, certificate):
    with open(path, 'w', encoding='utf-8') as out:
        out.write(f'ca_file = "{certificate}"\n[store]\ndirectory = "{folder}"\nsinks = ["tape", "parquet"]\nexact = true\n')
        for exchange, streams in VENUES.values():
            channels = CHANNELS[exchange.split('-')[0]]
            out.write(f'[[exchange]]\nname = "{exchange}"\nsymbols = {json.dumps(symbols_of(truth, exchange))}\n'
                      f'channels = {json.dumps(channels)}\naddress = "{addresses[exchange]}"\n')
            if streams:
                out.write('streams = { ' + ', '.join(f'{k} = "{v}"' for k, v in streams.items()) + ' }\n')


def query(folder, sql):
    done = subprocess.run([program, 'query', '--json', '-d', folder, sql], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]


def collect(truth, scratch, name):
    """One emulator, one collector, until all is played; returns the folder."""
    certificates = os.path.join(scratch, name + '-certificate')
    os.makedirs(certificates)
    folders = [os.path.join(recordings.folder(), 'cryptofeed', venue) for venue in VENUES]
    emulator = subprocess.Popen([program, 'emulate', '--tls', '--speed', speed, '--json', '--certificate-folder', certificates, *folders],
                                stdout=subprocess.PIPE, text=True)
    try:
        places = [json.loads(emulator.stdout.readline()) for _ in VENUES]
        config, folder = os.path.join(scratch, name + '.toml'), os.path.join(scratch, name)
        write_config(config, folder, {p['exchange']: p['rest'] for p in places}, truth, os.path.join(certificates, 'ca.pem'))
        collector = subprocess.Popen([program, 'collect', config])
        emulator.stdout.readline()                   # says that all recordings are played
        time.sleep(2)                                # the last frames are on their way
        collector.send_signal(signal.SIGTERM)
        if collector.wait(60) != 0:
            sys.exit(f'collect ended with {collector.returncode}')
    finally:
        emulator.terminate()
        emulator.wait(30)
    return folder


def text(value):
    return None if value is None else format(Decimal(value).normalize(), 'f')


def rows_of(event):
    """What a row of the event's table must hold, numbers as plain text; a book event has one row for each level."""
    if event['type'] == 'book':
        return [(event['sequence'], event['snapshot'], side, text(price), text(amount))
                for side, levels in (('bid', event['bids']), ('ask', event['asks'])) for price, amount in levels]
    names = {'trade': ('id', 'side', 'price', 'amount'), 'bbo': ('sequence', 'bid_price', 'bid_amount', 'ask_price', 'ask_amount'),
             'candle': ('interval', 'open', 'high', 'low', 'close', 'volume')}.get(event['type'], ())
    return [tuple(text(event[n]) if n in NUMBERS else event[n] for n in names)]


def stored_rows(folder, kind):
    """The same of what the Parquet files hold, by (exchange, symbol)."""
    found = defaultdict(list)
    for row in query(folder, f'SELECT * FROM "{kind}"' + (' WHERE price IS NOT NULL' if kind == 'book' else '')):
        event = {**row, 'type': kind}
        if kind == 'book':
            side = 'bids' if row['side'] == 'bid' else 'asks'
            event.update({'snapshot': row['is_snapshot'], 'bids': [], 'asks': [], side: [(row['price'], row['amount'])]})
        found[row['exchange'], row['symbol']] += rows_of(event)
    return found


def compare_store(folder, truth):
    problems = []
    for kind in sorted({key[2] for key in truth}):
        rows, wanted = stored_rows(folder, kind), defaultdict(list)
        for (exchange, symbol, of), events in truth.items():
            if of == kind:
                wanted[exchange, symbol] += [row for event in events for row in rows_of(event)]
        for key in sorted(set(rows) | set(wanted)):
            if sorted(map(str, rows[key])) != sorted(map(str, wanted[key])):
                problems.append(f'{kind} of {key}: {len(rows[key])} rows stored, {len(wanted[key])} wanted, or other values; '
                                f'stored {rows[key][:2]}, wanted {wanted[key][:2]}')
    return problems


def compare(want, have, what):
    problems = []
    for key in sorted(set(want) | set(have)):
        a, b = want.get(key, []), have.get(key, [])
        if a != b:
            n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            problems.append(f'{key}: event {n + 1} of {len(b)} (should be {len(a)}) is {str(b[n:n + 1])[:300]}, should be {str(a[n:n + 1])[:300]}')
    print(f'{what}: {sum(map(len, want.values()))} events, {len(want)} series, {len(problems)} differ')
    for problem in problems[:10]:
        print('  ' + problem)
    return problems


truth = defaultdict(list)
for venue, (exchange, _) in VENUES.items():
    truth.update(replay([os.path.join(recordings.folder(), 'cryptofeed', venue)], exchange))
problems = []
with tempfile.TemporaryDirectory() as scratch:
    for run in ('first', 'second'):
        folder = collect(truth, scratch, run)
        again = replay([os.path.join(folder, 'tape')])
        problems += compare(truth, again, f'{run} run, replay of its tape')
        problems += compare_store(folder, truth)
print('\n'.join(problems[:20]))
sys.exit(1 if problems else 0)
