/** What a tunnel needs, each of which needs those before it. */
export const STAGES = ['configuration', 'certificate', 'IKE', 'SA', 'policy', 'counters', 'path'] as const;
export type Stage = (typeof STAGES)[number];

/** Something that is wrong, and what to do. */
export interface Finding {
  /** One word for programs. */
  readonly code: string;
  /** The object at fault and what is wrong with it. */
  readonly text: string;
  readonly remedy: string;
}

/** What came of one stage. */
export type Step =
  | { readonly stage: Stage; readonly state: 'ok'; readonly text: string }
  | ({ readonly stage: Stage; readonly state: 'wrong' } & Finding)
  /** What must be known for it is not. */
  | { readonly stage: Stage; readonly state: 'unknown'; readonly text: string }
  | { readonly stage: Stage; readonly state: 'notReached' };

export function finding(code: string, text: string, remedy: string): Finding {
  return { code, text, remedy };
}

/** The part of a message of ours behind its colon, which says what to do; what stands in for it where there is none. */
export function remedyIn(text: string, other: string): string {
  const [, said] = /: ([^:]+)$/.exec(text) ?? [];
  return said ?? other;
}
