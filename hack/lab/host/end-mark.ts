/** What a filter found in a piece of a stream. */
export interface Filtered {
  /** Bytes that certainly belong to the command's output. */
  readonly output: Uint8Array;
  /** Whether the end mark has been seen; nothing behind it is output. */
  readonly ended: boolean;
}

/**
 * Finds the mark that the guest writes behind the last byte of a stream, and holds back what may be its beginning.
 * A guest's serial line has no end of file, so this is how the launcher knows that it has everything.
 */
export function endMarkFilter(mark: string): (piece: Uint8Array) => Filtered {
  const wanted = Buffer.from(mark, 'latin1');
  let held = Buffer.alloc(0);
  let ended = false;
  return (piece) => {
    if (ended) return { output: new Uint8Array(0), ended };
    const bytes = Buffer.concat([held, piece]);
    const at = bytes.indexOf(wanted);
    if (at >= 0) {
      ended = true;
      return { output: bytes.subarray(0, at), ended };
    }
    const kept = lengthOfPossibleStart(bytes, wanted);
    held = bytes.subarray(bytes.length - kept);
    return { output: bytes.subarray(0, bytes.length - kept), ended };
  };
}

/** How many of the last bytes could be the beginning of the mark. */
function lengthOfPossibleStart(bytes: Buffer, wanted: Buffer): number {
  for (let length = Math.min(wanted.length - 1, bytes.length); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(wanted.subarray(0, length))) return length;
  }
  return 0;
}
