import { parentPort } from 'node:worker_threads';

/** Makes a module the thread of a pool: it performs each task that comes and sends back the result. */
export function answerTasks<Task, Result>(perform: (task: Task) => Result): void {
  parentPort?.on('message', (task: Task) => parentPort?.postMessage(perform(task)));
}
