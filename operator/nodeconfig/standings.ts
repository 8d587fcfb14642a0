import type { NodePeering } from '../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type {
  AgentStanding,
  CertificateStanding,
  NodeStanding,
  PeeringStanding,
  RefusedWrite,
  TunnelCounts,
} from '../policies/standing.ts';
import { hasEnded } from './certificate-times.ts';
import { certificateStanding } from './certificates.ts';
import type { Draft } from './draft.ts';
import { isCurrent, isFinal, reachesAll } from './enforcement.ts';
import { wantedExemptions } from './essential-exemptions.ts';
import { type Exemption, isInForce } from './exemptions.ts';
import { certificateName, sliceIndex } from './names.ts';
import type { Entries } from './node-entries.ts';
import { writtenEntry } from './node-entries.ts';
import type { Moment, Observed, ObservedCertificate } from './observed.ts';
import { isPending, ROUTINE_WRITE_MS } from './pending.ts';
import { type Member, uidOf } from './roster.ts';
import { sameContent } from './same-content.ts';
import { unreadableSlices } from './slices.ts';

/** What the conditions of a peering are judged by. */
export function standingOf(
  draft: Draft,
  entries: Entries,
  observed: Observed,
  certificates: ReadonlyMap<string, ObservedCertificate>,
  at: Moment,
): PeeringStanding {
  const { peering, members, credentials } = draft;
  const { exemptions, leftOut } = wantedExemptions(draft, observed);
  const taking = members.filter(({ obstacle }) => obstacle === undefined).length;
  const readySince = readySinceOf(peering);
  return {
    kind: peering.spec.remote.mesh === undefined ? 'gateway' : 'mesh',
    credentials,
    isNew: readySince === Number.NEGATIVE_INFINITY && isPending(observed.since, [uidOf(peering)], at),
    // In a permissive one nobody is cut off.
    serversLeftOut: peering.spec.enforcement === 'Required' ? leftOut : [],
    refusedSlices: refusedSlicesOf(peering, observed),
    unreadable: unreadableOf(draft, observed),
    nodes: members.map((member): NodeStanding => {
      const { node } = member;
      const entry = entries.get(node.name)?.find(({ name }) => name === peering.metadata.name);
      const agent = agentOf(draft, member, entry, exemptions, observed);
      const uids = [node.uid, uidOf(peering)];
      const wasThere = (observed.since.get(node.uid) ?? Number.NEGATIVE_INFINITY) < readySince;
      const isReaching =
        agent.kind === 'reporting' &&
        (reachesOthers(node, entry, taking) || (wasThere && reachesThoseOfBefore(agent.tunnels)));
      return {
        name: node.name,
        pending: isPending(observed.since, uids, at) && !isReaching,
        // A node that was there before the peering selected it was asked a certificate for then.
        joinedLately: isPending(
          observed.since,
          [...uids, ...certificateUid(draft, node, certificates)],
          at,
          ROUTINE_WRITE_MS,
        ),
        obstacle: member.obstacle,
        shortfall: member.shortfall,
        refusal: refusalOf(draft, member, entry, observed),
        certificate: usedCertificate(draft, member, certificateOf(draft, member, observed, certificates, at), at),
        agent,
      };
    }),
  };
}

/** Since when a peering has been Ready, in milliseconds; never, where it is not. */
function readySinceOf({ status }: IpsecPeering): number {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' ? Date.parse(ready.lastTransitionTime) : Number.NEGATIVE_INFINITY;
}

/** Whether a node encrypts with all others that take part. */
function reachesOthers(node: Member['node'], entry: NodePeering | undefined, taking: number): boolean {
  return entry !== undefined && reachesAll({ node, entry }, taking);
}

/** Whether a node of a peering that was Ready with it still is as it was, whoever has joined since. */
function reachesThoseOfBefore(tunnels: TunnelCounts | undefined): boolean {
  if (tunnels === undefined) return false;
  const { expected, encrypting, idle = 0 } = tunnels;
  return expected + idle > 0 && encrypting >= expected;
}

function certificateUid(
  { peering }: Draft,
  node: Member['node'],
  certificates: ReadonlyMap<string, ObservedCertificate>,
): readonly string[] {
  const fields = peering.spec.authentication.certificate;
  const uid = fields && certificates.get(certificateName(node, fields.issuerRef))?.metadata.uid;
  return uid === undefined ? [] : [uid];
}

function certificateOf(
  { peering }: Draft,
  { node }: Member,
  { since, certificateRequests, refusedCertificates }: Observed,
  certificates: ReadonlyMap<string, ObservedCertificate>,
  at: Moment,
): CertificateStanding {
  const fields = peering.spec.authentication.certificate;
  if (fields === undefined) return { kind: 'notNeeded' };
  const name = certificateName(node, fields.issuerRef);
  const observed = certificates.get(name);
  const standing = certificateStanding(observed, certificateRequests.get(name), refusedCertificates.get(name), at);
  const uid = observed?.metadata.uid;
  if (standing.kind !== 'silent' || (uid !== undefined && !isPending(since, [uid], at))) return standing;
  return { kind: 'issuing', text: 'not asked for until now' };
}

/** How far a certificate is whose agent may still use an older one, which has its own end. */
function usedCertificate(
  { peering }: Draft,
  { node }: Member,
  standing: CertificateStanding,
  at: Moment,
): CertificateStanding {
  const used = node.status?.peerings?.find(({ name }) => name === peering.metadata.name)?.certificate;
  if (used === undefined || standing.kind === 'notNeeded' || standing.kind === 'expired') return standing;
  if (!hasEnded(used.notAfter, at)) return standing;
  const said = standing.kind === 'failed' ? `${standing.reason}: ${standing.text}` : undefined;
  const text = standing.kind === 'issuing' && standing.text !== '' ? standing.text : said;
  return { kind: 'expired', at: used.notAfter, said: text, replaced: standing.kind === 'issued' };
}

/** Why the API server does not take what a node is to be told of the peering; what it refuses of others is no matter here. */
function refusalOf(
  { peering }: Draft,
  member: Member,
  entry: NodePeering | undefined,
  { refusedNodeConfigs }: Observed,
): string | undefined {
  const isWritten = sameContent(writtenEntry(member, peering.metadata.name), entry);
  return isWritten ? undefined : refusedNodeConfigs.get(member.node.name);
}

function unreadableOf({ peering, members }: Draft, observed: Observed): PeeringStanding['unreadable'] {
  const identity = { name: peering.metadata.name, uid: uidOf(peering) };
  const configs = members.flatMap(({ node }) => node.unreadable ?? []);
  return [...configs, ...unreadableSlices(identity, observed)].map(({ kind, metadata: { name }, faults }) => ({
    kind,
    name,
    faults,
  }));
}

/** Those of a mesh that the API server does not take: they are its own by their names. */
function refusedSlicesOf(peering: IpsecPeering, { refusedSlices }: Observed): readonly RefusedWrite[] {
  const identity = { name: peering.metadata.name, uid: uidOf(peering) };
  return [...refusedSlices].flatMap(([name, text]) =>
    sliceIndex(name, identity) === undefined ? [] : [{ name, text }],
  );
}

function agentOf(
  draft: Draft,
  member: Member,
  entry: NodePeering | undefined,
  exemptions: readonly Exemption[],
  { agentPods }: Observed,
): AgentStanding {
  const { peering } = draft;
  const { node } = member;
  if (!agentPods.has(node.name)) return { kind: 'missing' };
  const written = writtenEntry(member, peering.metadata.name);
  if (!isCurrent(node) || written === undefined || !sameContent(written, entry)) return { kind: 'behind' };
  const said = node.status?.peerings?.find(({ name }) => name === peering.metadata.name);
  if (said?.fault !== undefined) return { kind: 'failing', text: said.fault.message, tunnels: said.tunnels };
  // Of one that is not carried out because of another peering nothing is said here.
  const condition = node.status?.conditions?.find(({ type }) => type === 'Programmed');
  if (condition?.status === 'False' && said?.tunnels === undefined) {
    return { kind: 'failing', text: condition.message, tunnels: undefined };
  }
  const { enforcement } = peering.spec;
  const enforced =
    said?.enforcement !== undefined && isFinal(enforcement, said.enforcement) && isInForce(exemptions, said.exempt);
  return { kind: 'reporting', enforced, mssClampFailure: said?.mssClampFailure, tunnels: said?.tunnels };
}
