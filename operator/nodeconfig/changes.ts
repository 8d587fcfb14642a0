import type { KubernetesObject } from '../api/resource.ts';
import type { WantedStatus } from './judge.ts';
import type { Observed, WrittenObject } from './observed.ts';
import type { Plan } from './plan.ts';
import { contains, sameContent } from './same-content.ts';

/** One write. An object that was seen before carries its UID, so that one that was deleted meanwhile is not made anew. */
export type Change =
  | { readonly kind: 'apply'; readonly object: WrittenObject; readonly uid: string | undefined }
  | {
      readonly kind: 'applyStatus';
      readonly peering: Pick<KubernetesObject, 'apiVersion' | 'kind' | 'metadata'>;
      readonly status: WantedStatus;
    }
  | { readonly kind: 'delete'; readonly object: WrittenObject; readonly uid: string | undefined };

/** What must be written to get from what was observed to the plan; nothing for what is already so. */
export function changesOf(observed: Observed, planned: Plan): readonly Change[] {
  const { nodeConfigs, slices, certificates, access } = observed;
  const present = new Map([...nodeConfigs, ...slices, ...certificates, ...access].map((each) => [keyOf(each), each]));
  const wanted: readonly WrittenObject[] = [
    ...planned.nodeConfigs,
    ...planned.slices,
    ...planned.certificates,
    ...planned.access,
  ];
  const applies = wanted.flatMap((object): readonly Change[] => {
    const before = present.get(keyOf(object));
    if (before !== undefined && isWritten(before, object)) return [];
    return [{ kind: 'apply', object, uid: before?.metadata.uid }];
  });
  const peerings = [...observed.peerings, ...observed.unreadablePeerings];
  const statuses = peerings.flatMap((peering): readonly Change[] => {
    const status = planned.statuses.get(peering.metadata.name);
    if (status === undefined || sameContent(peering.status, status)) return [];
    const { apiVersion, kind, metadata } = peering;
    return [{ kind: 'applyStatus', peering: { apiVersion, kind, metadata }, status }];
  });
  const deletions = planned.deletions.map((object): Change => ({ kind: 'delete', object, uid: object.metadata.uid }));
  return [...applies, ...statuses, ...deletions];
}

/** Whether all that the operator says of an object stands in it, and nothing of its own that it does not say any more. */
function isWritten(before: WrittenObject, object: WrittenObject): boolean {
  const { metadata, apiVersion: _, kind, ...content } = object;
  const { labels, ownerReferences } = metadata;
  if (!contains(before.metadata, { labels, ownerReferences })) return false;
  const found = before as unknown as Readonly<Record<string, unknown>>;
  // cert-manager may fill in more than was asked for; of what we leave out at times, its presence must agree.
  if (kind === 'Certificate') {
    const [ours, theirs] = [content, found].map((each) => (each as { spec: Readonly<Record<string, unknown>> }).spec);
    return contains(theirs, ours) && (ours?.['renewBefore'] === undefined) === (theirs?.['renewBefore'] === undefined);
  }
  return Object.entries(content).every(([field, value]) => sameContent(found[field], value));
}

function keyOf({ kind, metadata: { namespace = '', name } }: WrittenObject): string {
  return `${kind} ${namespace}/${name}`;
}
