import type { LifecycleMesh } from './mesh.ts';
import type { NodeSettings } from './node-settings.ts';

/** Something that happens to a mesh whose packets are counted meanwhile: an entry of the table. */
export interface LifecycleEvent {
  /** For the command line and the table. */
  readonly name: string;
  /** What happens, in one line. */
  readonly description: string;
  /** Default two. */
  readonly nodes?: 2 | 3;
  /** What the configuration of a node has from the beginning, beside what all have. */
  readonly settings?: (node: string) => NodeSettings;
  /** Packets are lost that nobody could have kept: why, and how soon they flow again afterwards. */
  readonly outage?: { readonly why: string; readonly recoverySeconds: number };
  /** Packets are in plaintext while nobody has asked for encryption; `run` says when. */
  readonly unencrypted?: string;
  /** Runs an agent of an earlier commit. */
  readonly needsEarlierAgent?: boolean;
  /** `quick`: worth its time in each test run; `long`: takes minutes, so that --full has it only. */
  readonly worth?: 'quick' | 'long';
  /** Does it, and returns when its consequences are over; throws where they are not as they should be. */
  run(mesh: LifecycleMesh): Promise<void>;
}
