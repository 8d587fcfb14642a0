/** Something that was asked for: its value, or why it is not known. */
export type Known<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly lack: Lack };

/** Why something is not known. */
export interface Lack {
  /** What was asked for, such as `Pods in namespace ikemesh`. */
  readonly what: string;
  /**
   * `absent`: there is no such kind; `unanswered`: nobody answered; `notAsked`: it would have taken too long, or was not
   * wanted.
   */
  readonly kind: 'absent' | 'forbidden' | 'unauthenticated' | 'unanswered' | 'unreadable' | 'notAsked' | 'failed';
  /** Why, and what to do, as the rest of a sentence. */
  readonly text: string;
}

export function known<T>(value: T): Known<T> {
  return { known: true, value };
}

export function unknown(what: string, kind: Lack['kind'], text: string): Known<never> {
  return { known: false, lack: { what, kind, text } };
}

/** The value, or what stands in for one that is not known. */
export function valueOr<T, Other>(asked: Known<T> | undefined, other: Other): T | Other {
  return asked?.known === true ? asked.value : other;
}

/** One sentence for people. */
export function lackText({ what, text }: Lack): string {
  return `${what}: ${text}`;
}
