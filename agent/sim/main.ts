import { readArguments } from './command-line.ts';
import { runSeeds } from './run-seeds.ts';

process.exitCode = runSeeds(readArguments(process.argv.slice(2))) ? 0 : 1;
