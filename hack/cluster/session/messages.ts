import type { Session } from './session.ts';

/** What `up` asks the keeper for. */
export interface KeeperRequest {
  readonly sessionFile: string;
  readonly certManager: boolean;
  /** 0 for a control plane only. */
  readonly nodes: number;
}

/** What the keeper tells `up`, until one of the last two. */
export type KeeperReport =
  | { readonly kind: 'said'; readonly line: string }
  | { readonly kind: 'ready'; readonly session: Session }
  | { readonly kind: 'failed'; readonly reason: string };

/** What `up` answers to ready: from then on the cluster does not end with it. */
export const KEEP = 'keep';
