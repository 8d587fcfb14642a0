import { vi } from 'vitest';

const realTimeout = setTimeout;

/** Lets time pass where timers are fake, and files be read and written meanwhile, which take real time. */
export async function pass(seconds: number): Promise<void> {
  for (let step = 0; step < seconds * 5; step += 1) {
    await vi.advanceTimersByTimeAsync(200);
    await new Promise((resolve) => realTimeout(resolve, 2));
  }
}
