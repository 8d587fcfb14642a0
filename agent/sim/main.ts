import { readArguments } from './command-line.ts';
import { runInterleavings } from './interleavings/run-interleavings.ts';
import { runSeeds } from './run-seeds.ts';

const options = readArguments(process.argv.slice(2));
const passed = options.interleavings === undefined ? runSeeds(options) : runInterleavings(options.interleavings);
process.exitCode = passed ? 0 : 1;
