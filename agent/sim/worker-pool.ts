import { Worker } from 'node:worker_threads';

/** What came of a task: its result, or why there is none. */
export type Done<Result> =
  | { readonly kind: 'result'; readonly result: Result }
  /** The thread ended, or had to be ended, without a result. */
  | { readonly kind: 'crashed'; readonly reason: string };

/** Work for several threads. Tasks and results are copied from one to the other. */
export interface PooledWork<Task, Result> {
  /** A module that calls `answerTasks`. */
  readonly module: URL;
  /** What every thread is given at its start. */
  readonly data: unknown;
  /** How many threads there are at most. */
  readonly workers: number;
  readonly tasks: Iterable<Task>;
  /** Milliseconds after which a task is given up, and its thread with it. */
  readonly limitMs: number;
  /** Ends all of it early: tasks that are not done then are never told of. */
  readonly signal: AbortSignal;
  /** Called once for each task, in the order of tasks, however they were shared out. */
  readonly onDone: (task: Task, done: Done<Result>) => void;
}

/** Has threads do all tasks, each thread one at a time. A thread that crashes is replaced, its task is not repeated. */
export async function runPooled<Task, Result>(work: PooledWork<Task, Result>): Promise<void> {
  const queue = work.tasks[Symbol.iterator]();
  const inOrder = new InOrder(work.onDone);
  const threads = Array.from({ length: work.workers }, () => runThread(work, queue, inOrder));
  await Promise.all(threads);
  inOrder.tellRest();
}

async function runThread<Task, Result>(
  work: PooledWork<Task, Result>,
  queue: Iterator<Task>,
  inOrder: InOrder<Task, Result>,
): Promise<void> {
  let thread: Thread<Task, Result> | undefined;
  for (let next = queue.next(); next.done !== true && !work.signal.aborted; next = queue.next()) {
    const tell = inOrder.place(next.value);
    thread ??= new Thread(work);
    const done = await thread.perform(next.value);
    if (done === undefined) break;
    if (done.kind === 'crashed') thread = undefined;
    tell(done);
  }
  await thread?.end();
}

/** One thread and the task that it is at. */
class Thread<Task, Result> {
  readonly #worker: Worker;
  readonly #work: PooledWork<Task, Result>;
  #settle: (done: Done<Result> | undefined) => void = () => {};
  #crash = 'the thread ended by itself';
  #ended = false;

  constructor(work: PooledWork<Task, Result>) {
    this.#work = work;
    this.#worker = new Worker(work.module, { workerData: work.data });
    this.#worker.on('message', (result: Result) => this.#settle({ kind: 'result', result }));
    this.#worker.on('error', (error) => {
      this.#crash = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    this.#worker.on('exit', () => {
      this.#ended = true;
      this.#settle({ kind: 'crashed', reason: this.#crash });
    });
  }

  /** Undefined where the signal came before the result. */
  async perform(task: Task): Promise<Done<Result> | undefined> {
    if (this.#ended) return { kind: 'crashed', reason: this.#crash };
    const { limitMs, signal } = this.#work;
    const { promise, resolve } = Promise.withResolvers<Done<Result> | undefined>();
    this.#settle = resolve;
    const abort = (): void => resolve(undefined);
    signal.addEventListener('abort', abort);
    const limit = setTimeout(() => {
      this.#crash = `no end within ${limitMs / 1_000} s`;
      void this.#worker.terminate();
    }, limitMs);
    this.#worker.postMessage(task);
    try {
      return await promise;
    } finally {
      clearTimeout(limit);
      signal.removeEventListener('abort', abort);
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Keeps back what is done too early. */
class InOrder<Task, Result> {
  readonly #onDone: (task: Task, done: Done<Result>) => void;
  readonly #early = new Map<number, () => void>();
  #places = 0;
  #told = 0;

  constructor(onDone: (task: Task, done: Done<Result>) => void) {
    this.#onDone = onDone;
  }

  /** Gives a task its place; the function returned tells what came of it, when it is its turn. */
  place(task: Task): (done: Done<Result>) => void {
    const place = this.#places++;
    return (done) => {
      this.#early.set(place, () => this.#onDone(task, done));
      for (let next = this.#early.get(this.#told); next !== undefined; next = this.#early.get(this.#told)) {
        this.#early.delete(this.#told);
        this.#told += 1;
        next();
      }
    };
  }

  /** Tells of what is done although something before it never will be. */
  tellRest(): void {
    for (const [, tell] of [...this.#early].sort(([left], [right]) => left - right)) tell();
    this.#early.clear();
  }
}
