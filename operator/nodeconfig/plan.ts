import type { IpsecPeerSlice } from '../api/ipsec-peer-slice.ts';
import { accessOf } from './access.ts';
import { certificateOf, type WantedCertificate } from './certificates.ts';
import { deletionsOf } from './deletions.ts';
import { type Draft, draftsOf } from './draft.ts';
import { peeringStatus, unreadableStatus, type WantedStatus } from './judge.ts';
import { nodeConfigOf, type WantedNodeConfig } from './node-configs.ts';
import { entriesOf, untoldNodes } from './node-entries.ts';
import type { ClusterSettings, Moment, Observed, WrittenObject } from './observed.ts';
import { withinPeeringLimit } from './peering-limit.ts';
import { rosterOf } from './roster.ts';
import { sliceplanOf } from './slices.ts';
import { standingOf } from './standings.ts';
import { toldEnforcement } from './told-enforcement.ts';

/** Everything that is wanted. What is neither in it nor among the deletions is left alone. */
export interface Plan {
  readonly nodeConfigs: readonly WantedNodeConfig[];
  readonly slices: readonly IpsecPeerSlice[];
  readonly certificates: readonly WantedCertificate[];
  /** ServiceAccounts, Roles and RoleBindings of nodes. */
  readonly access: readonly WrittenObject[];
  readonly deletions: readonly WrittenObject[];
  /** Names of nodes that are told nothing of a peering by which they are to encrypt, or of which that is not known. */
  readonly untold: ReadonlySet<string>;
  /** By the name of the peering. */
  readonly statuses: ReadonlyMap<string, WantedStatus>;
}

/**
 * What is wanted, from what was observed: the same for the same input, in any order. It is made again whenever something
 * changes; objects that need others to be there first come in a later round.
 */
export function plan(observed: Observed, settings: ClusterSettings, at: Moment): Plan {
  const roster = rosterOf(observed, at);
  const drafts = withinPeeringLimit(draftsOf(observed, roster, settings), roster, observed.gone);
  const entries = entriesOf(drafts, roster, observed, at);
  const told = roster.filter(
    ({ name, config, unreadable }) =>
      unreadable === undefined && (config !== undefined || (entries.get(name) ?? []).length > 0),
  );
  const certificates = certificatesOf(drafts, settings);
  const slices = drafts.map((draft) => sliceplanOf(draft, roster, observed, settings, at));
  const issued = new Map(observed.certificates.map((certificate) => [certificate.metadata.name, certificate]));
  const wanted = { entries, certificates: new Set(certificates.map(({ metadata }) => metadata.name)) };
  return {
    nodeConfigs: told.map((node) => nodeConfigOf(node, entries.get(node.name) ?? [], settings)),
    slices: slices.flatMap((each) => each.wanted),
    certificates,
    access: told.flatMap((node) => accessOf(node, entries.get(node.name) ?? [], settings)),
    deletions: [...slices.flatMap(({ emptied }) => emptied), ...deletionsOf(observed, wanted, roster, at)],
    untold: new Set([
      ...untoldNodes(drafts, entries),
      ...roster.filter(({ unreadable }) => unreadable !== undefined).map(({ name }) => name),
    ]),
    statuses: new Map([
      ...drafts.map((draft): [string, WantedStatus] => [
        draft.peering.metadata.name,
        peeringStatus(
          draft.peering,
          standingOf(draft, entries, observed, issued, at),
          draft.acceptance,
          toldEnforcement(draft, observed),
          at,
        ),
      ]),
      ...observed.unreadablePeerings.map((peering): [string, WantedStatus] => [
        peering.metadata.name,
        unreadableStatus(peering, at),
      ]),
    ]),
  };
}

/** One for each node and issuer; of two peerings with the same issuer the one that wins says what it is like. */
function certificatesOf(drafts: readonly Draft[], settings: ClusterSettings): readonly WantedCertificate[] {
  const wanted = new Map<string, WantedCertificate>();
  for (const { peering, members, acceptance } of drafts) {
    const fields = peering.spec.authentication.certificate;
    if (fields === undefined || acceptance.status !== 'True') continue;
    for (const { node, obstacle } of members) {
      const certificate = obstacle === undefined ? certificateOf(node, fields, settings) : undefined;
      if (certificate === undefined || wanted.has(certificate.metadata.name)) continue;
      wanted.set(certificate.metadata.name, certificate);
    }
  }
  return [...wanted.values()];
}
