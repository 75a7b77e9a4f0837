"""reference_test.py PROGRAM FOLDER EXCHANGE: a replay of the recording equals the reference, row by row."""
import os
import sys
import tempfile

import recordings

program, name, exchange = sys.argv[1:4]
recording = os.path.join(recordings.folder(), 'cryptofeed', name)
with tempfile.TemporaryDirectory() as scratch:
    events = os.path.join(scratch, 'events.jsonl')
    status = recordings.replay(program, exchange, [recording], events)
    if status != 0:
        sys.exit(f'replay ended with {status}')
    status, text = recordings.run(recordings.tool('check_reference.py'), os.path.join(recordings.folder(), 'reference', name), events)
    print(text)
    sys.exit(status)
