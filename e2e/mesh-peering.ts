import { changed, type Manifest, meshManifest } from '../operator/api/testing/manifests.ts';

/** A peering of all nodes, whose Child SAs live so long. */
export function meshPeering(child: string): Manifest {
  return changed(meshManifest, 'spec.lifetimes', { child });
}
