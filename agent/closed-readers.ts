/**
 * Whoever reads no further what this process prints or logs, such as `head`, has what he wanted: it goes on without him to its
 * own end, and what it still says is lost. So is what cannot be logged for another reason, such as a full disk: no tunnel is
 * to end for that. What was asked for, on standard output, has failed then.
 */
export function goOnWithoutReaders(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
