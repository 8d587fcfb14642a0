/**
 * Whoever reads no further what this process prints, such as `head`, has what he wanted. Unless `then` says otherwise it goes on
 * without him to its own end, and what it still says is lost.
 */
export function goOnWithoutReaders(then?: () => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      then?.();
    });
  }
}
