/** Waits, at most until the signal; answers whether the time is over. */
export function pause(waitMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(end, waitMs);
    signal.addEventListener('abort', end);
  });
}
