/** How the plugin ends; scripts may count on these. */
export const ExitCode = {
  /** All is as it should be. */
  Fine: 0,
  /** Something is wrong with the mesh, and it was said what. */
  Wrong: 1,
  /** The arguments or a manifest are wrong. */
  Usage: 2,
  /** Nothing could be learned: no kubeconfig, nobody answers, or nobody may be asked. */
  NothingLearned: 3,
  /** ikemesh is not installed in this cluster. */
  NotInstalled: 4,
  /** What could be learned is fine, but not everything could be. */
  Incomplete: 5,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
