/** Why an agent cannot start or go on, as one sentence with what to do, and the exit code that tells it to scripts. */
export interface StartFailure {
  readonly kind: 'startFailure';
  /** 2: the configuration is wrong. 3: the host does not let us. */
  readonly exitCode: 2 | 3;
  readonly text: string;
}

/** A failure of the surroundings. */
export function environmentFailure(text: string): StartFailure {
  return { kind: 'startFailure', exitCode: 3, text };
}
