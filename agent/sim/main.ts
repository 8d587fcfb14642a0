import { goOnWithoutReaders } from '../closed-readers.ts';
import { readArguments } from './command-line.ts';
import { runInterleavings } from './interleavings/run-interleavings.ts';
import { runSeeds } from './run-seeds.ts';

goOnWithoutReaders();

/** As shells have it: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

const options = readArguments(process.argv.slice(2));
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
const { interleavings, full, workers } = options;
const passed =
  interleavings === undefined
    ? await runSeeds(options, interrupted.signal)
    : await runInterleavings({ losses: interleavings, full, workers }, interrupted.signal);
process.exitCode = interrupted.signal.aborted ? INTERRUPTED : passed ? 0 : 1;
