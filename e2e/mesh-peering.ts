import { changed, type Manifest, meshManifest } from '../operator/api/testing/manifests.ts';
import { encryptingStreams } from './pod-streams.ts';

/** A peering of all nodes, whose Child SAs live so long. */
export function meshPeering(child: string): Manifest {
  return encryptingStreams(changed(meshManifest, 'spec.lifetimes', { child }));
}
