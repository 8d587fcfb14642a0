import { workerData } from 'node:worker_threads';

import { answerTasks } from './answer-tasks.ts';
import { runSeed, type SeedOptions } from './run-seed.ts';

const options = workerData as SeedOptions;
answerTasks((seed: number) => runSeed(seed, options));
