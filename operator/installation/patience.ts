import { setTimeout as delay } from 'node:timers/promises';

/** How long something is waited for, and who is told of it. */
export interface Patience {
  readonly milliseconds: number;
  readonly say: (line: string) => void;
}

/** Looks again and again until there is nothing left to wait for; whether that came to be in time. */
export async function until(
  { say }: Patience,
  milliseconds: number,
  look: () => Promise<string | undefined>,
): Promise<boolean> {
  const end = performance.now() + milliseconds;
  let said = '';
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const waiting = await look();
    if (waiting === undefined) return true;
    if (waiting !== said) say(`${waiting} …`);
    said = waiting;
    const left = end - performance.now();
    if (left <= 0) return false;
    await delay(Math.min(pause, left));
  }
}

/** Does something with each of many, a few at a time. */
export async function allAtOnce<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

const FIRST_PAUSE_MS = 500;
/** A list of thousands of objects costs the API server something. */
const LONGEST_PAUSE_MS = 8_000;
/** As many requests as one client may have open without being in the way of others. */
const PARALLEL = 10;
