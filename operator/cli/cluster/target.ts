import type { ApiClient } from '../../kube/api-client.ts';
import type { ChosenConnection } from '../../kube/connection.ts';
import type { Progress } from '../progress.ts';

/** The cluster that a command is about, and how patient it is with it. */
export interface Target {
  readonly connection: ChosenConnection;
  readonly client: ApiClient;
  /** Where ikemesh was installed, where the user says so. */
  readonly namespace: string | undefined;
  /** How long an answer may take. */
  readonly timeoutMs: number;
  readonly progress: Progress;
  readonly wallMs: () => number;
}
