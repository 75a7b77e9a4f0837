"""store_test.py PROGRAM: `export` writes what Tardis' readers expect; `verify` finds what is wrong with a store, and nothing else."""
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile

program = os.path.abspath(sys.argv[1])
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND          # 2023-11-14 22:13:20 UTC
failures = []


def run(*arguments):
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def check(name, is_right, shown=''):
    print(('ok ' if is_right else 'FAILED ') + name)
    if not is_right:
        failures.append(name)
        print(shown)


def record(path, exchange, frames):
    """Frames [(seconds since START, message)] as `<ns> <json>` lines, made into a store."""
    with open(path, 'w', encoding='utf-8') as out:
        for at, message in frames:
            out.write(f'{START + int(at * SECOND)} {json.dumps(message)}\n')
    code, _, errors = run('replay', '-q', '--exchange', exchange, '--format', 'lines', '--to', 'parquet', '-d', 'store', path)
    check(f'{exchange} is stored', code == 0, errors)


def millis(at):
    return START // 1_000_000 + int(at * 1000)


def stream(name, **data):
    return {'stream': name, 'data': data}


SPOT = [
    (1, stream('btcusdt@depth@100ms', e='depthUpdate', E=millis(0.9), s='BTCUSDT', U=9, u=11, b=[['100.50', '1.5']], a=[])),
    (2, {'lastUpdateId': 10, 'bids': [['100.50', '1.0'], ['100.40', '2']], 'asks': [['100.60', '3']]}),
    (3, stream('btcusdt@trade', e='trade', E=millis(2.9), s='BTCUSDT', t=5, p='100.60', q='0.25', T=millis(2.8), m=False, M=True)),
    (4, stream('btcusdt@bookTicker', u=12, s='BTCUSDT', b='100.50', B='1.5', a='100.60', A='2.75')),
    (5, stream('btcusdt@depth@100ms', e='depthUpdate', E=millis(4.9), s='BTCUSDT', U=12, u=12, b=[], a=[['100.60', '2.75']])),
    (6, stream('btcusdt@trade', e='trade', E=millis(5.9), s='BTCUSDT', t=6, p='100.50', q='1', T=millis(5.8), m=True, M=True)),
]
FUTURES = [
    (1, stream('btcusdt@markPrice@1s', e='markPriceUpdate', E=millis(0.9), s='BTCUSDT', p='101.1', i='101.2', P='101.3', r='0.0001', T=millis(3600))),
    (2, stream('btcusdt@forceOrder', e='forceOrder', E=millis(1.9),
               o={'s': 'BTCUSDT', 'S': 'SELL', 'o': 'LIMIT', 'f': 'IOC', 'q': '0.014', 'p': '99', 'ap': '99.5', 'X': 'FILLED', 'l': '0.014', 'z': '0.014', 'T': millis(1.8)})),
]
US = START // 1000


def rows(name):
    with gzip.open(os.path.join('csv', name), 'rt', encoding='utf-8') as file:
        return [line.rstrip('\n').split(',') for line in file]


def expect_csv(name, header, expected):
    """Numbers are compared as numbers: their digits are DuckDB's."""
    def value(text):
        try:
            return float(text)
        except ValueError:
            return text
    try:
        found = rows(name)
    except OSError as error:
        check(name, False, str(error))
        return
    check(f'{name}: columns', found[0] == header.split(','), found[0])
    check(f'{name}: rows', [[value(v) for v in row] for row in found[1:]] == [[value(str(v)) for v in row] for row in expected], found[1:])


def exports():
    record('binance_btcusdt_20231114.txt', 'binance', SPOT)
    record('binance-futures.txt', 'binance-futures', FUTURES)
    code, out, errors = run('export', '--to', 'tardis-csv', '-d', 'store', '-o', 'csv', '--json')
    check('export', code == 0, errors)
    listed = {os.path.basename(json.loads(line)['path']): json.loads(line)['rows'] for line in out.splitlines()}
    check('export lists its files', sorted(listed) == sorted(os.listdir('csv')), (listed, os.listdir('csv')))
    day = '2023-11-14_BTCUSDT.csv.gz'
    common = 'exchange,symbol,timestamp,local_timestamp,'
    own = ['binance', 'BTCUSDT']
    expect_csv(f'binance_trades_{day}', common + 'id,side,price,amount',
               [own + [US + 2_800_000, US + 3_000_000, 5, 'buy', 100.6, 0.25], own + [US + 5_800_000, US + 6_000_000, 6, 'sell', 100.5, 1]])
    expect_csv(f'binance_quotes_{day}', common + 'ask_amount,ask_price,bid_price,bid_amount',
               [own + [US + 4_000_000, US + 4_000_000, 2.75, 100.6, 100.5, 1.5]])
    expect_csv(f'binance_incremental_book_L2_{day}', common + 'is_snapshot,side,price,amount',
               [own + [US + 2_000_000, US + 2_000_000, 'true', 'bid', 100.5, 1.0], own + [US + 2_000_000, US + 2_000_000, 'true', 'bid', 100.4, 2],
                own + [US + 2_000_000, US + 2_000_000, 'true', 'ask', 100.6, 3], own + [US + 900_000, US + 2_000_000, 'false', 'bid', 100.5, 1.5],
                own + [US + 4_900_000, US + 5_000_000, 'false', 'ask', 100.6, 2.75]])
    perpetual = ['binance-futures', 'BTCUSDT']
    expect_csv(f'binance-futures_derivative_ticker_{day}',
               common + 'funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,mark_price',
               [perpetual + [US + 900_000, US + 1_000_000, US + 3_600_000_000, 0.0001, '', '', '', 101.2, 101.1]])
    liquidations = rows(f'binance-futures_liquidations_{day}')
    check('liquidations', len(liquidations) == 2 and liquidations[1][5] == 'sell', liquidations)
    code, _, errors = run('export', '-d', 'store', '-o', 'csv', '--exchange', 'binanse')
    check('unknown exchange', code == 2 and 'did you mean "binance"' in errors, errors)
    code, _, errors = run('export', '-d', 'store', '-o', 'csv', '--symbols', 'DOGE*')
    check('nothing matches', code == 1 and 'of that exchange, symbol and date' in errors, errors)
    code, _, errors = run('export', '-d', 'store', '-o', 'binance_btcusdt_20231114.txt')
    check('not a folder', code == 1 and 'binance_btcusdt_20231114.txt' in errors, errors)


def verify():
    code, out, errors = run('verify', 'data', '--json')
    return code, [json.loads(line) for line in out.splitlines()], out + errors


def collect_some(duration):
    """One run of a collector that stores tape and Parquet in `data`, with an exchange of its own."""
    exchange = subprocess.Popen([program, 'emulate', '--json', '--exchange', 'binance', '--rate', '2000'], stdout=subprocess.PIPE, text=True)
    try:
        place = json.loads(exchange.stdout.readline())
        code, _, errors = run('collect', '-q', '--exchange', 'binance', '--symbols', 'BTCUSDT,ETHUSDT', '--channels', 'trade,book,bbo',
                              '--address', place['rest'], '--to', 'tape,parquet', '-d', 'data', '--duration', str(duration))
        check('a store is made', code == 0, errors)
    finally:
        exchange.send_signal(signal.SIGTERM)
        exchange.wait(30)
        exchange.stdout.close()


def files(ending, containing=''):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk('data') for name in names
                  if name.endswith(ending) and containing in folder)


def verifies():
    collect_some(2)
    code, found, said = verify()
    check('a whole store is sound', code == 0 and found[-1]['sound'] and found[-1]['parquet_rows'] > 1000 and found[-1]['series_compared'] >= 6, said)
    collect_some(2)
    code, found, said = verify()
    check('so is one of two runs', code == 0 and found[-1]['sound'], said)

    part = files('.parquet', 'type=trade')[-1]
    with open(part, 'rb') as file:
        content = file.read()
    os.remove(part)
    code, found, said = verify()
    check('a missing part is found', code == 1 and any(f.get('type') == 'trade' and f['tape_rows'] > f['store_rows'] for f in found), said)
    with open(part, 'wb') as file:
        file.write(content[:len(content) // 2])
    code, found, said = verify()
    problems = [f['problem'] for f in found if 'problem' in f]
    check('a cut part is named, and no other', code == 1 and len(problems) == 1 and problems[0].startswith(part + ': '), said)
    with open(part, 'wb') as file:
        file.write(content)

    tape = files('.mptape')[-1]
    with open(tape, 'r+b') as file:
        file.truncate(os.path.getsize(tape) - 10)
    code, found, said = verify()
    check('a cut tape is named', code == 1 and any(tape in f.get('problem', '') for f in found), said)
    with open(tape, 'r+b') as file:
        file.seek(os.path.getsize(tape) // 2)
        file.write(b'\0' * 64)
    code, found, said = verify()
    check('a damaged block is named', code == 1 and sum(tape in f.get('problem', '') for f in found) >= 1, said)
    code, _, errors = run('verify', 'nowhere')
    check('a missing folder is named', code == 1 and 'nowhere: no such folder' in errors, errors)
    os.mkdir('empty')
    code, _, errors = run('verify', 'empty')
    check('an empty folder is named', code == 1 and 'neither tapes nor Parquet' in errors, errors)


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    exports()
    verifies()
    os.chdir('/')
sys.exit(1 if failures else 0)
