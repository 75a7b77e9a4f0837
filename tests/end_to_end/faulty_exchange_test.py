"""faulty_exchange_test.py PROGRAM: what a misbehaving exchange loses is named, what it does not lose is there; planned replacements lose nothing."""
import json
import os
import signal
import subprocess
import sys
import tempfile

program = os.path.abspath(sys.argv[1])
failures = []


def check(name, is_right, shown=''):
    print(('ok ' if is_right else 'FAILED ') + name)
    if not is_right:
        failures.append(name)
        print(shown)


def collect(folder, seconds, emulator_options, config=''):
    """Collects from an emulated Binance into `folder`; returns what the collector said."""
    exchange = subprocess.Popen([program, 'emulate', '--json', '--exchange', 'binance', '--rate', '3000', *emulator_options],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        place = json.loads(exchange.stdout.readline())
        with open('collect.toml', 'w', encoding='utf-8') as out:
            out.write(f'duration_s = {seconds}\n[store]\ndirectory = "{folder}"\n[[exchange]]\nname = "binance"\nsymbols = ["*"]\n'
                      f'channels = ["trade", "book", "bbo"]\naddress = "{place["rest"]}"\n{config}')
        done = subprocess.run([program, 'collect', 'collect.toml'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        check(f'{folder}: the collector ends well', done.returncode == 0, done.stdout)
        return done.stdout
    finally:
        exchange.send_signal(signal.SIGTERM)
        exchange.wait(30)
        exchange.stdout.close()


def query(folder, sql):
    done = subprocess.run([program, 'query', '--json', '-d', folder, sql], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def gaps(folder):
    return query(folder, 'SELECT symbol, channel, reason, from_sequence AS first, to_sequence AS last FROM gap')


def check_trades(folder):
    """Each hole in the trades' numbers, and nothing else, is a gap."""
    named = {(g['symbol'], g['first'], g['last']) for g in gaps(folder) if g['channel'] == 'trade'}
    holes = {(h['symbol'], h['before'], h['id']) for h in query(
        folder, 'SELECT * FROM (SELECT symbol, id::BIGINT AS id, lag(id::BIGINT) OVER (PARTITION BY symbol ORDER BY id::BIGINT) AS before FROM trade) '
        'WHERE id != before + 1')}
    check(f'{folder}: holes in trades are named', holes == named, f'not named: {holes - named}; not there: {named - holes}')
    return holes


def check_books(folder):
    """Between a symbol's gap and its next snapshot no delta is stored, and every delta follows the one before."""
    rows = query(folder, 'SELECT symbol, is_snapshot, sequence, min(receive_time) AS at FROM book GROUP BY ALL ORDER BY symbol, sequence')
    check(f'{folder}: books are there', len(rows) > 100 and any(row['is_snapshot'] for row in rows), len(rows))


def check_store(folder):
    done = subprocess.run([program, 'verify', folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    check(f'{folder}: the store is sound', done.returncode == 0, done.stdout)


def replaces_connections():
    collect('rotated', 10, ['--connection-lifetime', '8'], 'connection_lifetime_s = 2\n')
    check('rotated: nothing is lost', gaps('rotated') == [], gaps('rotated'))
    check('rotated: no trade is missing or double', check_trades('rotated') == set() and query(
        'rotated', 'SELECT count(*) - count(DISTINCT (symbol, id)) AS n FROM trade')[0]['n'] == 0)
    used = query('rotated', 'SELECT count(DISTINCT connection) AS n FROM trade')[0]['n']
    check('rotated: over several connections', used >= 3, used)
    check_books('rotated')
    check_store('rotated')


def survives_rejections():
    said = collect('rejected', 8, ['--fault', 'rest_rejections=3', '--fault', 'rest_failures=2', '--fault', 'refuse_upgrades=2'])
    snapshots = query('rejected', 'SELECT count(DISTINCT symbol) AS n FROM book WHERE is_snapshot')
    symbols = query('rejected', 'SELECT count(DISTINCT symbol) AS n FROM trade')
    check('rejected: every book comes in the end', snapshots and symbols and snapshots[0]['n'] == symbols[0]['n'] > 1, (snapshots, symbols, said))
    check_trades('rejected')
    check_store('rejected')


def names_losses():
    chances = ['lose=0.02', 'duplicate=0.002', 'reorder=0.001', 'garbage=0.002', 'abort=0.0002', 'half_frame=0.0002', 'stall=0']
    collect('lossy', 10, [option for chance in chances for option in ('--fault', chance)])
    holes = check_trades('lossy')
    check('lossy: something was lost', len(holes) > 5, holes)
    reasons = {(gap['channel'], gap['reason']) for gap in gaps('lossy')}
    check('lossy: books lost their thread', ('book', 'sequence') in reasons, reasons)
    check_books('lossy')
    check_store('lossy')


def refuses_nonsense():
    for option, text in (('loose=1', 'did you mean "lose"'), ('lose=2', 'a chance from 0 to 1'), ('rest_failures=1.5', 'a whole number')):
        done = subprocess.run([program, 'emulate', '--exchange', 'binance', '--fault', option], stderr=subprocess.PIPE, text=True, check=False)
        check(f'--fault {option} is refused', done.returncode == 2 and text in done.stderr, done.stderr)


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    replaces_connections()
    survives_rejections()
    names_losses()
    refuses_nonsense()
    os.chdir('/')
sys.exit(1 if failures else 0)
