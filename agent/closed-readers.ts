/**
 * Whoever reads no further what this process prints or logs, such as `head`, has what he wanted: it goes on without him to its
 * own end, and what it still says is lost.
 */
export function goOnWithoutReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
