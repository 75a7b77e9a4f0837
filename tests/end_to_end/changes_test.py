"""changes_test.py PROGRAM: symbols change on SIGHUP, the exchange goes away and comes back while `collect` runs, and a second
`collect` into the same store names what nobody saw."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

program = os.path.abspath(sys.argv[1])
CONFIG = '''[store]
directory = "data"
rotate_age_s = 1
[[exchange]]
name = "binance"
symbols = ["{}"]
channels = ["trade", "book", "bbo"]
address = "{}"
'''


def emulate(port=0):
    """An emulated exchange; returns (process, place)."""
    process = subprocess.Popen([program, 'emulate', '--json', '--exchange', 'binance', '--rate', '500', '--port', str(port)],
                               stdout=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())


def query(sql):
    done = subprocess.run([program, 'query', '--json', sql], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def until(what, condition, seconds=60):
    """Waits for something to show in the files; its coming is what is tested, not how long it takes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            print(f'ok {what}')
            return
        time.sleep(0.2)
    raise SystemExit(f'FAILED {what}')


def count(sql):
    rows = query(sql)
    return rows[0]['n'] if rows else 0


def write_config(symbol, address):
    with open('collect.toml', 'w', encoding='utf-8') as out:
        out.write(CONFIG.format(symbol, address))


def snapshots(symbol):
    return count(f"SELECT count(DISTINCT receive_time) AS n FROM book WHERE is_snapshot AND symbol = '{symbol}'")


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    exchange, place = emulate()
    write_config('BTCUSDT', place['rest'])
    collector = subprocess.Popen([program, 'collect', '-q', 'collect.toml'])
    try:
        until('BTCUSDT is collected', lambda: count("SELECT count(*) AS n FROM trade WHERE symbol = 'BTCUSDT'") > 0)
        write_config('ETHUSDT', place['rest'])
        collector.send_signal(signal.SIGHUP)
        until('ETHUSDT comes after SIGHUP', lambda: count("SELECT count(*) AS n FROM trade WHERE symbol = 'ETHUSDT'") > 0)
        until('its book has a snapshot', lambda: snapshots('ETHUSDT') == 1)
        if count("SELECT count(*) AS n FROM instrument WHERE symbol = 'BTCUSDT'") != 1:
            raise SystemExit('FAILED instruments that did not change are told again')
        with open('collect.toml', 'a', encoding='utf-8') as out:
            out.write('nonsense = 1\n')
        collector.send_signal(signal.SIGHUP)                      # refused by name; collecting goes on
        exchange.kill()
        exchange.wait(30)
        until('the loss of the book is named',
              lambda: count("SELECT count(*) AS n FROM gap WHERE symbol = 'ETHUSDT' AND channel = 'book' AND reason = 'disconnected'") == 1)
        until('the loss of the quotes is named',
              lambda: count("SELECT count(*) AS n FROM gap WHERE symbol = 'ETHUSDT' AND channel = 'bbo' AND reason = 'disconnected'") == 1)
        exchange, place = emulate(place['port'])
        until('the book is there again', lambda: snapshots('ETHUSDT') >= 2)
        collector.send_signal(signal.SIGTERM)
        if collector.wait(60) != 0:
            raise SystemExit(f'FAILED collect ended with {collector.returncode}')
        others = count("SELECT count(*) AS n FROM gap WHERE channel = 'book' AND reason NOT IN ('disconnected', 'sequence')")
        if others != 0:
            raise SystemExit(f'FAILED {others} gaps of a reason that did not happen')
        write_config('ETHUSDT', place['rest'])
        collector = subprocess.Popen([program, 'collect', '-q', 'collect.toml'])
        until('a second run begins each series with a gap',
              lambda: {row['channel'] for row in query("SELECT channel FROM gap WHERE symbol = 'ETHUSDT' AND reason = 'restart'")}
              == {'trade', 'book', 'bbo'})
        collector.send_signal(signal.SIGTERM)
        if collector.wait(60) != 0:
            raise SystemExit(f'FAILED the second collect ended with {collector.returncode}')
        if count("SELECT count(*) AS n FROM gap WHERE reason = 'restart'") != 3:
            raise SystemExit('FAILED a restart is named more than once a series')
        told = subprocess.run([program, 'replay', '--to', 'jsonl', 'data/tape'], stdout=subprocess.PIPE, check=True, text=True).stdout
        replayed = [json.loads(line) for line in told.splitlines() if '"restart"' in line]
        if sorted(gap['channel'] for gap in replayed) != ['bbo', 'book', 'trade']:
            raise SystemExit(f'FAILED the replay of both runs names {replayed}')
        print('ok the replay of both tapes says the same')
    finally:
        for process in (collector, exchange):
            if process.poll() is None:
                process.kill()
                process.wait(30)
