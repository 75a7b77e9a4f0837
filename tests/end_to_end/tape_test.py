"""tape_test.py PROGRAM TAPE: no gap, no crossed book, best prices as bookTicker says, trade ids contiguous."""
import json
import os
import sys
import tempfile

import recordings

program, name = sys.argv[1:3]
sys.path.insert(0, os.path.dirname(recordings.tool('event_stream.py')))
from event_stream import Book, plain  # noqa: E402

tape = os.path.join(recordings.folder(), 'tapes', name + '.gz')
problems, tops, quotes, last_trade, counts = [], {}, {}, None, {}
with tempfile.TemporaryDirectory() as scratch:
    path = os.path.join(scratch, 'events.jsonl')
    status = recordings.replay(program, name.split('_')[0], [tape], path)
    if status != 0:
        sys.exit(f'replay ended with {status}')
    book = Book()
    for line in open(path, encoding='utf-8'):
        event = json.loads(line)
        counts[event['type']] = counts.get(event['type'], 0) + 1
        if event['type'] == 'gap':
            problems.append(f'gap: {line}')
        elif event['type'] == 'book':
            book.apply(event)
            best = book.bids.levels[0] + book.asks.levels[0]
            if -book.bids.keys[0] >= book.asks.keys[0]:
                problems.append(f'crossed at {event["sequence"]}: {best}')
            tops[event['sequence']] = best
        elif event['type'] == 'bbo':
            quotes[event['sequence']] = [plain(event[f]) for f in ('bid_price', 'bid_amount', 'ask_price', 'ask_amount')]
        elif event['type'] == 'trade':
            if last_trade is not None and int(event['id']) != last_trade + 1:
                problems.append(f'trade {event["id"]} follows {last_trade}')
            last_trade = int(event['id'])
compared = sorted(set(tops) & set(quotes))
problems += [f'at {n} the book says {tops[n]}, the quote {quotes[n]}' for n in compared if tops[n] != quotes[n]]
print(f'{counts}, {len(compared)} quotes compared, {len(problems)} problems')
print('\n'.join(problems[:10]))
sys.exit(1 if problems or not compared or last_trade is None else 0)
