/** A failure of the cluster's own making or of its machine: what happened and what to do, in one sentence. */
export class ClusterError extends Error {
  override readonly name: string = 'ClusterError';
}

/** This machine lets us run no nodes, for want of a privilege or of a device; nobody's code is at fault. */
export class CannotRunNodesError extends ClusterError {
  override readonly name = 'CannotRunNodesError';
}

/** This machine cannot build the programs at all, for want of a Go compiler or of Go modules; nobody's code is at fault. */
export class CannotBuildError extends ClusterError {
  override readonly name = 'CannotBuildError';
}
