import { ClusterError } from '../cluster-error.ts';

/** Somebody else has taken a port meanwhile: whoever wanted it tries again with others. */
export class PortTakenError extends ClusterError {
  override readonly name = 'PortTakenError';
}
