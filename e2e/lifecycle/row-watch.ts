import type { BlockWriter } from '../../hack/lab/runner/scenario-blocks.ts';

/** Told how the rows of one guest come along. */
export interface RowListener {
  /** What is done for a row right now. */
  readonly step: (name: string, text: string) => void;
  /** A row has ended. */
  readonly ended: (name: string) => void;
}

/** Understands what the runner of a guest prints, line by line. */
export function rowWatch(listener: RowListener): BlockWriter {
  let held = '';
  let current = '';
  const take = (line: string) => {
    const [, begun] = /^--- ([^:]+): /.exec(line) ?? [];
    const [, ended] = /^(?:ok {2}|FAIL|skip) (\S+) \(/.exec(line) ?? [];
    if (begun !== undefined) current = begun;
    else if (ended !== undefined && ended === current) {
      listener.ended(ended);
      current = '';
    } else if (/^ {4}\S/.test(line) && current !== '') listener.step(current, line.trim());
  };
  const decoder = new TextDecoder();
  return {
    write: (piece) => {
      const lines = (held + decoder.decode(piece, { stream: true })).split('\n');
      held = lines.pop() ?? '';
      for (const line of lines) take(line);
    },
    end: () => take(held),
  };
}
