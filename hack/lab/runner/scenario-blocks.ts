/** A writer for the output of one guest of several. */
export interface BlockWriter {
  write(piece: Uint8Array): void;
  /** Passes on what has been held back. */
  end(): void;
}

/** Holds the output of a scenario back until the next one begins, so that what several guests say does not mingle. */
export function inBlocks(sink: (block: Uint8Array) => void): BlockWriter {
  let held = Buffer.alloc(0);
  const pass = (length: number) => {
    if (length > 0) sink(held.subarray(0, length));
    held = held.subarray(length);
  };
  return {
    write: (piece) => {
      held = Buffer.concat([held, piece]);
      // The line break before it belongs to the last line of the block that it ends.
      const start = held.lastIndexOf('\n--- ');
      pass(start < 0 ? 0 : start + 1);
    },
    end: () => pass(held.length),
  };
}
