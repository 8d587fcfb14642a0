/** What a condition says. */
export interface Verdict {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** A condition that holds. */
export function holds(reason: string, message: string): Verdict {
  return { status: 'True', reason, message };
}

/** A condition that does not hold; the message ends in what to do. */
export function fails(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}

/** A condition of which nothing is known. */
export function unknown(reason: string, message: string): Verdict {
  return { status: 'Unknown', reason, message };
}

/** `node-a, node-b and 7 more`: enough to begin with, and as short with five thousand. */
export function listed(names: readonly string[]): string {
  if (names.length <= MAX_NAMES) return names.join(', ').replace(/, ([^,]*)$/, ' and $1');
  return `${names.slice(0, MAX_NAMES - 1).join(', ')} and ${names.length - MAX_NAMES + 1} more`;
}

/** `1 node`, `2 nodes`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const MAX_NAMES = 4;
