"""bench_test.py PROGRAM: each bench verb runs on a small scale and gives every figure it promises, finite and sensible."""
import json
import math
import os
import subprocess
import sys

program = os.path.abspath(sys.argv[1])
failures = []


def check(condition, text):
    print(('ok     ' if condition else 'FAILED ') + text)
    if not condition:
        failures.append(text)


def bench(*arguments):
    done = subprocess.run([program, 'bench', *arguments, '--json'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    check(done.returncode == 0, f'bench {" ".join(arguments)}: exit {done.returncode} {done.stderr.strip()}')
    return {row['name']: row['value'] for row in map(json.loads, done.stdout.splitlines())}


def check_figures(figures, *names):
    for name in names:
        value = figures.get(name)
        check(value is not None and math.isfinite(value) and value > 0, f'{name} = {value}')


figures = bench('pool', '--passes', '1', '--scale', '0.01')
check_figures(figures, 'pool_try_acquire_ops_per_s', 'pool_await_acquire_ops_per_s', 'pool_loops2_ops_per_s', 'pool_loops2_wall_ops_per_s')
for ratio in ('pool_loops16_most_over_least', 'pool_hold_1ms_p999_over_median_wait'):
    check(figures.get(ratio, 0) >= 1, f'{ratio} = {figures.get(ratio)}')

http = ('http_requests_per_s', 'http_cpu_us_per_request', 'http_p50_us', 'http_p99_us')
figures = bench('http', '--connections', '4', '--requests', '400')
check_figures(figures, *http)
check(figures['http_p50_us'] <= figures['http_p99_us'], 'http: p50 is not above p99')

figures = bench('ws', '--connections', '2', '--messages', '20000', '--passes', '1')
check_figures(figures, 'ws_messages_per_s', 'ws_cpu_s_per_million', 'ws_tls_messages_per_s', 'ws_tls_cpu_s_per_million', 'ws_tls_over_plain')

figures = bench('original', '--passes', '1')
check_figures(figures, 'direct_ms', 'pooled_ms', 'time_saved_percent', 'requests_per_s', 'hit_rate', 'reuse_rate', 'websocket_connections',
              'websocket_reuse_rate', 'manager_pools', 'manager_hit_rate', 'manager_reuse_rate')
for rate in ('hit_rate', 'reuse_rate', 'websocket_reuse_rate', 'manager_hit_rate', 'manager_reuse_rate'):
    check(0 <= figures[rate] <= 1, f'{rate} = {figures[rate]} is a rate')
for errors in ('errors', 'websocket_errors', 'manager_errors'):
    check(figures.get(errors) == 0, f'{errors} = {figures.get(errors)}')
# These do not depend on how fast the machine is.
check(figures['hit_rate'] >= 0.95 and figures['reuse_rate'] >= 0.95, 'ten workers: hit and reuse rate')
check(figures['websocket_connections'] <= 5 and figures['websocket_reuse_rate'] >= 0.8, 'five WebSocket connections are reused')
check(figures['manager_pools'] == 6, 'six pools')
check('memory_growth_mb' in figures, 'memory_growth_mb')

figures = bench('combined', '--pages', '200', '--passes', '1')
check_figures(figures, *(f'combined_{layers}_pages_per_s' for layers in ('off', 'pools', 'objects', 'batching', 'on')), 'combined_on_over_off')

figures = bench('memory', '--passes', '1')
check_figures(figures, *(f'{who}_{what}_ns' for who in ('object_pool', 'glibc', 'boost_pool') for what in ('pair', 'batch')),
              'object_pool_cross_thread_ops_per_s')
figures = bench('async', '--passes', '1')
check_figures(figures, 'queue_items_per_s', 'task_submit_run_per_s', 'histogram_record_ns', 'counter_add_ns', 'scrape_5000_series_ms')
check_figures(bench('scrape'), 'scrape_5000_series_ms', 'scrape_5000_series_loop_delay_ms')

# A server of the user's, and one that is not there.
emulator = subprocess.Popen([program, 'emulate', '--exchange', 'binance', '--json', '--no-limits'], stdout=subprocess.PIPE, text=True)
try:
    place = json.loads(emulator.stdout.readline())
    check_figures(bench('http', '--url', place['rest'] + '/api/v3/time', '--connections', '2', '--requests', '200'), *http)
finally:
    emulator.terminate()
    emulator.wait(30)
for verb, url in (('http', place['rest']), ('ws', place['websocket'])):
    done = subprocess.run([program, 'bench', verb, '--url', url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    check(done.returncode == 1 and 'refused' in done.stderr, f'bench {verb} without a server: exit {done.returncode} {done.stderr.strip()}')

print(f'{len(failures)} failed: {failures}')
sys.exit(1 if failures else 0)
