"""faults_test.py PROGRAM RECORDING EXCHANGE|tape: recordings with seeded faults are judged by check_faults.py.

The number of seeds is MARKETPRISM_FAULT_SEEDS; default 1 for a tape, 4 for a recording.
"""
import glob
import os
import sys
import tempfile

import recordings

program, name, exchange = sys.argv[1:4]
is_tape = exchange == 'tape'
if is_tape:
    inputs, others, exchange = [os.path.join(recordings.folder(), 'tapes', name + '.gz')], [], name.split('_')[0]
else:
    files = sorted(glob.glob(os.path.join(recordings.folder(), 'cryptofeed', name, '*')))
    inputs = [f for f in files if '.ws.' in f]
    others = [f for f in files if '.ws.' not in f]
failed = 0
with tempfile.TemporaryDirectory() as scratch:
    truth, events, faults = (os.path.join(scratch, f) for f in ('truth.jsonl', 'events.jsonl', 'faults.json'))
    if recordings.replay(program, exchange, others + inputs, truth) != 0:
        sys.exit('replay of the unmutated recording failed')
    for source in inputs:
        mutated = os.path.join(scratch, os.path.basename(source))
        for seed in range(1, 1 + int(os.environ.get('MARKETPRISM_FAULT_SEEDS') or (1 if is_tape else 4))):
            options = ['--seed', str(seed)] + (['--resync'] if is_tape else [])
            status, text = recordings.run(recordings.tool('mutate_recording.py'), source, mutated, faults, *options)
            if status != 0:
                sys.exit(f'seed {seed} cannot be made: {text}')
            exit_status = recordings.replay(program, exchange, others + [mutated], events)
            status, text = recordings.run(recordings.tool('check_faults.py'), truth, events, faults, '--status', str(exit_status), '--counts')
            print(f'seed {seed}: {text}', end='')
            failed += status != 0
sys.exit(1 if failed else 0)
