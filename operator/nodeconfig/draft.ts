import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { accepted } from '../policies/accepted.ts';
import type { CredentialStanding } from '../policies/standing.ts';
import type { Verdict } from '../policies/verdict.ts';
import { sameCertificate } from './certificates.ts';
import type { ClusterSettings, Observed } from './observed.ts';
import { overlapsOf } from './overlap.ts';
import { comparePrecedence } from './precedence.ts';
import { type KnownNode, type Member, membersOf } from './roster.ts';

/** A peering, its nodes, and whether it can be carried out. */
export interface Draft {
  readonly peering: IpsecPeering;
  readonly members: readonly Member[];
  readonly credentials: CredentialStanding;
  readonly acceptance: Verdict;
}

/** All peerings, the one that wins over all others first. */
export function draftsOf(
  observed: Observed,
  roster: readonly KnownNode[],
  settings: ClusterSettings,
): readonly Draft[] {
  const selections = observed.peerings
    .toSorted((left, right) => comparePrecedence(rankOf(left), rankOf(right)))
    .map((peering): Selection => {
      const { members, notLinux } = membersOf(peering, roster);
      return { peering, members, notLinux, nodes: new Set(members.map(({ node }) => node.name)) };
    });
  const overlaps = overlapsOf(selections);
  const carriedOut = new Set<string>();
  return selections.map(({ peering, members, notLinux }, index) => {
    const { name } = peering.metadata;
    const credentials = credentialsOf(peering, observed, settings);
    const acceptance = accepted({
      selected: members.length,
      notLinux,
      credentials,
      // Who is not accepted wins where nodes have been told of it before, and nowhere else.
      overlaps: (overlaps.get(name) ?? []).filter((winner) => carriedOut.has(winner.peering)),
      otherCertificates: otherCertificates(selections.slice(0, index), selections[index] as Selection),
    });
    if (acceptance.status === 'True' || isTold(members, name)) carriedOut.add(name);
    return { peering, members, credentials, acceptance };
  });
}

interface Selection {
  readonly peering: IpsecPeering;
  readonly members: readonly Member[];
  readonly notLinux: number;
  readonly nodes: ReadonlySet<string>;
}

function isTold(members: readonly Member[], peering: string): boolean {
  return members.some(({ node: { config } }) => config?.spec.peerings.some(({ name }) => name === peering) === true);
}

function rankOf({ metadata: { name }, spec: { priority } }: IpsecPeering) {
  return { name, priority };
}

function credentialsOf(
  { spec: { authentication } }: IpsecPeering,
  observed: Observed,
  { issuersRestricted }: ClusterSettings,
): CredentialStanding {
  const { certificate, preSharedKey } = authentication;
  if (certificate !== undefined) {
    const { kind, name } = certificate.issuerRef;
    const restricted = kind === 'Issuer' || issuersRestricted;
    return { kind: 'certificate', issuer: `${kind} ${name}`, restricted, certManager: observed.certManager };
  }
  const { name = '', key = '' } = preSharedKey?.secretRef ?? {};
  return { kind: 'preSharedKey', secret: name, usable: observed.preSharedKeys.has(`${name}/${key}`) };
}

/** There is one certificate for each node and issuer: where two peerings want it otherwise, the first has its way. */
function otherCertificates(winners: readonly Selection[], loser: Selection): readonly string[] {
  const { certificate } = loser.peering.spec.authentication;
  if (certificate === undefined) return [];
  return winners
    .filter(({ peering, nodes }) => {
      const other = peering.spec.authentication.certificate;
      if (other === undefined || sameCertificate(certificate, other)) return false;
      const { group, kind, name } = other.issuerRef;
      const wanted = certificate.issuerRef;
      if (group !== wanted.group || kind !== wanted.kind || name !== wanted.name) return false;
      return [...loser.nodes].some((node) => nodes.has(node));
    })
    .map(({ peering }) => peering.metadata.name);
}
