import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  /** Default 20 s. */
  readonly timeoutMs?: number;
  /** Default 50 ms: a poll in the guest costs a fork. */
  readonly intervalMs?: number;
  /** Told what is waited for when that takes longer than a second; unless given, whom `tellingWaits` names. */
  readonly say?: (line: string) => void;
  /** Ends the wait when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Polls until the probe gives something other than false and undefined, and gives that.
 * Tells what it waits for when that takes longer than a second; throws with the same words when time is up.
 */
export async function waitUntil<T>(
  what: string,
  probe: () => T | false | undefined | Promise<T | false | undefined>,
  options: WaitOptions = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 20_000;
  const say = options.say ?? listener.getStore() ?? ((line: string) => process.stdout.write(`    ${line}\n`));
  const started = performance.now();
  let told = false;
  for (;;) {
    const found = await probe();
    if (found !== false && found !== undefined) return found;
    const waitedMs = performance.now() - started;
    if (waitedMs > timeoutMs) throw new Error(`waited ${Math.round(timeoutMs / 1000)} s in vain for ${what}`);
    if (waitedMs > 1000 && !told) {
      told = true;
      say(`waiting for ${what} (at most ${Math.round(timeoutMs / 1000)} s)`);
    }
    await delay(options.intervalMs ?? 50, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/** Tells `say` of all waits in `work` that name nobody else; without it they are told to standard output. */
export function tellingWaits<T>(say: (line: string) => void, work: () => Promise<T>): Promise<T> {
  return listener.run(say, work);
}

const listener = new AsyncLocalStorage<(line: string) => void>();
