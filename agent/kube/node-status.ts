import { X509Certificate } from 'node:crypto';

import type { Condition } from '../../operator/api/condition.ts';
import type {
  IpsecNodeConfig,
  NodePeering,
  NodePeeringStatus,
  StagedExemption,
} from '../../operator/api/ipsec-node-config.ts';
import { MAX_NAME, MAX_SERIAL_NUMBER, MAX_TROUBLE_MESSAGE, MAX_TROUBLED_PEERS } from '../../operator/api/limits.ts';
import { exemptionName } from '../runtime/config/exemption.ts';
import { exemptionSchema } from '../runtime/config/schema.ts';
import type { ExemptionReport } from '../runtime/status/exemption-report.ts';
import type { PeerReport, StatusReport } from '../runtime/status/report.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { absentAddressOf, absentAddressText } from './absent-address.ts';
import { certificateSecretIn, credentialObjects, isAbout, namingObject } from './credential-objects.ts';
import type { DesiredState, Membership } from './desired-state.ts';
import { certificateKey, certificatesOf } from './own-credentials.ts';
import { KNOWN_BEFORE } from './peer-roster.ts';

/** The status of an IPsecNodeConfig. */
export type NodeStatus = NonNullable<IpsecNodeConfig['status']>;

/** What a status is made of, all of one moment. */
export interface StatusInputs {
  readonly generation: number | undefined;
  /** In force, or to be. */
  readonly peerings: readonly NodePeering[];
  /** Peerings that this version cannot read. */
  readonly unreadable: ReadonlyMap<string, string>;
  readonly desired: DesiredState;
  /** What Secrets and ConfigMaps lack, by the name of the peering. */
  readonly missing: ReadonlyMap<string, string>;
  /** Undefined: no agent runs, because there is nothing to do or for the reason in `startFailure`. */
  readonly report: StatusReport | undefined;
  readonly startFailure: string | undefined;
  /** Why the agent goes on with what was carried out before, of which `desired` is; undefined where it does not. */
  readonly refusal?: string | undefined;
  /** Addresses of peerings that the host does not have. */
  readonly absentAddresses?: ReadonlySet<IpAddress>;
  /** Peerings that somebody on the node has unblocked. */
  readonly unblocked?: ReadonlySet<string>;
  /** Undefined where nobody asks which pod it was. */
  readonly agent: NodeStatus['agent'];
  readonly wallMs: number;
  /** By the clock by which peers are known. */
  readonly monotonicMs: number;
  /** What the status said before. */
  readonly before: NodeStatus | undefined;
}

/** The status of a node: what is in force, by the kernel and the proofs of the peers. */
export function nodeStatus(inputs: StatusInputs): NodeStatus {
  const counted = countPeers(inputs);
  const conditions = conditionsOf(inputs, counted);
  const neverEncrypted = (inputs.report?.bypasses ?? [])
    .filter(({ policies, installed }) => policies === installed)
    .map(({ traffic }) => traffic);
  return {
    ...(inputs.generation === undefined ? {} : { observedGeneration: inputs.generation }),
    conditions,
    ...(inputs.agent === undefined ? {} : { agent: inputs.agent }),
    peerings: inputs.peerings.map((peering) => peeringStatus(peering, inputs, counted)),
    ...(neverEncrypted.length === 0 ? {} : { neverEncrypted }),
    troubledPeers: [...counted.troubled],
  };
}

type Trouble = NonNullable<NodeStatus['troubledPeers']>[number];
type Tunnels = NonNullable<NodePeeringStatus['tunnels']>;
type PathMtu = NonNullable<NodePeeringStatus['pathMTU']>;

interface Counted {
  readonly tunnels: ReadonlyMap<string, Tunnels>;
  /** Of each peering. */
  readonly pathMtus: ReadonlyMap<string, PathMtu>;
  readonly troubled: readonly Trouble[];
}

/**
 * Peers are counted, not connections: one that is reached by one family and not by the other is in trouble. One that is
 * gone is not counted, whether it is reached or not; one that is new counts once it is reached, or after a minute. One for
 * which SAs are made once there is traffic is idle until then.
 */
function countPeers(inputs: StatusInputs): Counted {
  const { desired, report, wallMs, monotonicMs } = inputs;
  const states = new Map((report?.peers ?? []).map((peer) => [peer.name, peer]));
  const peers = new Map<string, { readonly member: Membership; readonly reports: (PeerReport | undefined)[] }>();
  for (const [connection, members] of desired.memberships) {
    for (const member of members.filter(({ gone }) => gone !== true)) {
      const key = `${member.peering}/${member.peer}`;
      const known = peers.get(key) ?? { member, reports: [] };
      known.reports.push(states.get(connection));
      peers.set(key, known);
    }
  }
  const tunnels = new Map<string, Tunnels>();
  const pathMtus = new Map<string, PathMtu>();
  const troubled: Trouble[] = [];
  const since = new Map((inputs.before?.troubledPeers ?? []).map((each) => [`${each.peering}/${each.name}`, each]));
  for (const [key, { member, reports }] of peers) {
    const counts = { ...(tunnels.get(member.peering) ?? NO_TUNNELS) };
    // By one family there may be traffic, and none by the other.
    const awake = reports.filter((each) => each?.reason !== 'WaitingForTraffic');
    const worst = worstOf(awake);
    if (awake.length === 0) counts.idle = (counts.idle ?? 0) + 1;
    else if (worst !== undefined && monotonicMs - member.sinceMs < PENDING_MS) counts.pending += 1;
    else {
      counts.expected += 1;
      if (awake.every((each) => each?.state === 'encrypting' || each?.state === 'established')) counts.established += 1;
      if (worst === undefined) counts.encrypting += 1;
      else troubled.push(trouble(member, worst, since.get(key), wallMs));
    }
    tunnels.set(member.peering, counts);
    for (const { mtu } of reports.filter((each) => each !== undefined)) {
      if (mtu === undefined) continue;
      pathMtus.set(member.peering, lesser(pathMtus.get(member.peering), pathMtuTo(member.peer, mtu)));
    }
  }
  for (const { peering, peer, text } of desired.conflicts) {
    if (peering === '' || peer === '') continue;
    const said = { reason: 'Conflict', text };
    troubled.push(trouble({ peering, peer, sinceMs: KNOWN_BEFORE }, said, since.get(`${peering}/${peer}`), wallMs));
  }
  troubled.sort((left, right) => (`${left.peering}/${left.name}` < `${right.peering}/${right.name}` ? -1 : 1));
  return { tunnels, pathMtus, troubled: troubled.slice(0, MAX_TROUBLED_PEERS) };
}

/** Whether there are new peers which are not reached yet. */
export function awaitsPeers({ peerings = [] }: NodeStatus): boolean {
  return peerings.some(({ tunnels }) => (tunnels?.pending ?? 0) > 0);
}

function pathMtuTo(peer: string, { path, children }: NonNullable<PeerReport['mtu']>): PathMtu {
  const payloads = children.map(({ payload }) => payload);
  return {
    bytes: path,
    ...(payloads.length === 0 ? {} : { payloadBytes: Math.min(...payloads) }),
    peer: peer.slice(0, MAX_NAME),
  };
}

/** By what fits through, then by the name, so that of many that are alike it is always the same one that is told. */
function lesser(one: PathMtu | undefined, other: PathMtu): PathMtu {
  if (one === undefined) return other;
  const order = one.bytes - other.bytes || (one.payloadBytes ?? one.bytes) - (other.payloadBytes ?? other.bytes);
  return order < 0 || (order === 0 && one.peer <= other.peer) ? one : other;
}

/** Why not all of a peer's connections encrypt; undefined where they do. */
function worstOf(
  reports: readonly (PeerReport | undefined)[],
): { readonly reason: string; readonly text: string } | undefined {
  for (const report of reports) {
    if (report?.state === 'encrypting') continue;
    if (report === undefined) return { reason: 'NotConfigured', text: 'the agent has no connection with it yet' };
    return { reason: report.reason, text: report.message };
  }
  return undefined;
}

function trouble(
  { peering, peer }: Membership,
  { reason, text }: { readonly reason: string; readonly text: string },
  before: Trouble | undefined,
  wallMs: number,
): Trouble {
  const since = before?.since ?? timestamp(wallMs);
  return { peering, name: peer.slice(0, 253), reason, message: text.slice(0, MAX_TROUBLE_MESSAGE), since };
}

function peeringStatus(peering: NodePeering, inputs: StatusInputs, { tunnels, pathMtus }: Counted): NodePeeringStatus {
  const { name, enforcement } = peering;
  if (inputs.unblocked?.has(name) === true)
    return { name, fault: { reason: 'Unblocked', message: unblockedText(name) } };
  const certificate = certificateOf(peering, inputs.desired);
  const pathMtu = pathMtus.get(name);
  const fault = faultOf(peering, inputs);
  const unclamped = clampFailure(peering, inputs);
  const isApplied = inputs.report !== undefined && inputs.refusal === undefined;
  const isCarriedOut = isApplied && !inputs.desired.faults.has(name);
  const inForce = isCarriedOut && missingPolicy(inputs, (each) => each === name) === undefined;
  const exempt = isCarriedOut ? exemptInForce(peering, inputs) : [];
  // What runs of a peering that cannot be made anew still runs.
  const running = inputs.report === undefined ? undefined : tunnels.get(name);
  const counted = running ?? (isCarriedOut ? NO_TUNNELS : undefined);
  return {
    name,
    ...(inForce ? { enforcement } : {}),
    ...(exempt.length === 0 ? {} : { exempt }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(counted === undefined ? {} : { tunnels: counted }),
    ...(counted === undefined || pathMtu === undefined ? {} : { pathMTU: pathMtu }),
    ...(unclamped === undefined ? {} : { mssClampFailure: unclamped }),
    ...(fault === undefined ? {} : { fault: { ...fault, message: fault.message.slice(0, MAX_TROUBLE_MESSAGE) } }),
  };
}

function unblockedText(peering: string): string {
  return `nothing is encrypted, somebody has unblocked it on the node: \`agent unblock --peering ${peering} --undo\` there ends that`;
}

/** Why TCP segments of a peering are not clamped that are to be. */
function clampFailure({ mssClamp = 'Disabled' }: NodePeering, { report }: StatusInputs): string | undefined {
  return mssClamp === 'Disabled' ? undefined : report?.mssClampFailure?.slice(0, MAX_TROUBLE_MESSAGE);
}

/** What of a peering is in plaintext, by the kernel's policies for all of its peers. */
function exemptInForce({ name, traffic }: NodePeering, inputs: StatusInputs): StagedExemption[] {
  const reports = exemptionReports(inputs).filter(({ peering }) => peering === name);
  return (traffic.exempt ?? []).filter((exemption) => {
    const text = exemptionName(exemptionSchema.parse(exemption));
    const own = reports.filter(({ report }) => report.traffic === text);
    return own.every(({ report }) => report.installed === report.policies && report.stage === exemption.stage);
  });
}

/** What the agent says of exemptions, by the peering that they may come from. */
function exemptionReports({ desired, report }: StatusInputs): readonly {
  readonly peering: string;
  readonly peer: PeerReport;
  readonly report: ExemptionReport;
}[] {
  return (report?.peers ?? []).flatMap((peer) =>
    (peer.exempt ?? []).flatMap((each) =>
      (desired.memberships.get(peer.name) ?? []).map(({ peering }) => ({ peering, peer, report: each })),
    ),
  );
}

/** Why a peering is not carried out as it is written, the object at fault by its name. */
function faultOf(peering: NodePeering, inputs: StatusInputs): NodePeeringStatus['fault'] {
  const { unreadable, desired, missing } = inputs;
  const { name } = peering;
  if (inputs.refusal !== undefined) return { reason: 'NotApplied', message: refusalText(inputs.refusal) };
  const unread = unreadable.get(name);
  if (unread !== undefined) return { reason: 'PeeringUnreadable', message: unread };
  const absent = missing.get(name);
  if (absent !== undefined) return { reason: 'CredentialsMissing', message: absent };
  const objects = credentialObjects([peering]);
  const named = (text: string) => objects.reduce((said, object) => namingObject(object, said), text);
  const faulty = desired.faults.get(name);
  if (faulty !== undefined) {
    const reason = desired.withoutCredentials.has(name) ? 'CredentialsMissing' : 'PeeringFaulty';
    return { reason, message: named(faulty) };
  }
  const absentAddress = absentAddressOf(peering, inputs.absentAddresses ?? new Set());
  if (absentAddress !== undefined) return { reason: 'AddressMissing', message: absentAddressText(absentAddress) };
  const unreadPeers = desired.unreadPeers.get(name);
  if (unreadPeers !== undefined) return { reason: 'PeersUnreadable', message: unreadPeers };
  const held = desired.config.heldBack.find(({ text }) => objects.some((object) => isAbout(object, text)));
  if (held !== undefined) return { reason: 'CredentialsHeldBack', message: named(held.text) };
  const lacking = missingPolicy(inputs, (each) => each === name);
  if (lacking !== undefined) return { reason: 'PoliciesMissing', message: lacking };
  const refused = refusedExemption(inputs, (each) => each === name);
  return refused === undefined ? undefined : { reason: 'ExemptionsMissing', message: refused };
}

/**
 * The certificate that is in use, which may be an older one than the Secret has, and of another Secret while that which the
 * peering names is not there.
 */
function certificateOf({ name, authentication }: NodePeering, desired: DesiredState): NodePeeringStatus['certificate'] {
  const wanted = authentication.certificate?.secretName;
  const { connections, credentials } = desired.config;
  const loaded = [...credentials.sources.credentials].flatMap(([files, { credential }]) => {
    const secretName = certificateSecretIn(files);
    return secretName === undefined ? [] : [{ secretName, credential }];
  });
  const used = certificatesOf(
    connections.filter((each) => desired.memberships.get(each.name)?.some(({ peering }) => peering === name)),
  );
  const found =
    loaded.find(({ secretName }) => secretName === wanted) ??
    loaded.find(({ credential }) => used.has(certificateKey(credential)));
  const der = found?.credential.certificates[0];
  if (found === undefined || der === undefined) return undefined;
  const { serialNumber } = new X509Certificate(der);
  return {
    secretName: found.secretName,
    serialNumber: serialNumber.toLowerCase().slice(0, MAX_SERIAL_NUMBER),
    notAfter: timestamp(found.credential.notAfterMs),
  };
}

function conditionsOf(inputs: StatusInputs, { tunnels, troubled }: Counted): Condition[] {
  const programmed = programmedVerdict(inputs);
  const loaded = loadedVerdict(inputs);
  const expected = sum(tunnels, ({ expected }) => expected);
  const encrypting = sum(tunnels, (each) => each.encrypting);
  const ready =
    [programmed, loaded].find(({ status }) => status !== 'True') ?? peersVerdict(expected, encrypting, troubled[0]);
  const verdicts = { Ready: ready, Programmed: programmed, CertificatesLoaded: loaded };
  return Object.entries(verdicts).map(([type, { status, reason, message }]) => {
    const before = inputs.before?.conditions?.find((condition) => condition.type === type);
    return {
      type,
      status,
      reason,
      message,
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : timestamp(inputs.wallMs),
      ...(inputs.generation === undefined ? {} : { observedGeneration: inputs.generation }),
    };
  });
}

interface Verdict {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

function programmedVerdict(inputs: StatusInputs): Verdict {
  const { unreadable, desired, missing, startFailure, peerings } = inputs;
  if (startFailure !== undefined) return { status: 'False', reason: 'NotStarted', message: startFailure };
  if (inputs.refusal !== undefined)
    return { status: 'False', reason: 'NotApplied', message: refusalText(inputs.refusal) };
  for (const [name, text] of unreadable) {
    return {
      status: 'False',
      reason: 'PeeringUnreadable',
      message: `peering ${name}: ${text}; what was there of it before stays`,
    };
  }
  const [lifted] = peerings.filter(({ name }) => inputs.unblocked?.has(name) === true);
  if (lifted !== undefined)
    return { status: 'False', reason: 'Unblocked', message: `peering ${lifted.name}: ${unblockedText(lifted.name)}` };
  for (const [name, text] of desired.faults) {
    if (desired.withoutCredentials.has(name)) continue;
    return { status: 'False', reason: 'PeeringFaulty', message: `peering ${name}: ${text}` };
  }
  for (const peering of peerings) {
    const absentAddress = absentAddressOf(peering, inputs.absentAddresses ?? new Set());
    if (absentAddress === undefined) continue;
    const message = `peering ${peering.name}: ${absentAddressText(absentAddress)}`;
    return { status: 'False', reason: 'AddressMissing', message };
  }
  for (const [name, text] of desired.unreadPeers) {
    const message = `peering ${name}, ${text}; what was there of it before stays`;
    return { status: 'False', reason: 'PeersUnreadable', message: message.slice(0, MAX_TROUBLE_MESSAGE) };
  }
  const [waiting] = desired.withoutCredentials;
  if (waiting !== undefined) {
    const text = missing.get(waiting) ?? desired.faults.get(waiting) ?? '';
    return { status: 'Unknown', reason: 'CredentialsMissing', message: `peering ${waiting}: ${text}` };
  }
  const lacking = missingPolicy(inputs, () => true);
  if (lacking !== undefined) return { status: 'False', reason: 'PoliciesMissing', message: lacking };
  const refused = refusedExemption(inputs, () => true);
  if (refused !== undefined) return { status: 'False', reason: 'ExemptionsMissing', message: refused };
  for (const peering of peerings) {
    const unclamped = clampFailure(peering, inputs);
    if (unclamped === undefined) continue;
    const message = `peering ${peering.name}: TCP segments are not clamped: ${unclamped}`;
    return { status: 'False', reason: 'SegmentsNotClamped', message: message.slice(0, MAX_TROUBLE_MESSAGE) };
  }
  return { status: 'True', reason: 'Programmed', message: `${peerings.length} peerings are carried out` };
}

/** By which peer of such a peering the kernel does not do what is in force. */
function missingPolicy({ desired, report }: StatusInputs, isOf: (peering: string) => boolean): string | undefined {
  for (const { name, missingPolicies = [], lastFailure } of report?.peers ?? []) {
    const member = desired.memberships.get(name)?.find(({ peering }) => isOf(peering));
    if (member === undefined || missingPolicies.length === 0) continue;
    const remedy = lastFailure?.text ?? POLICY_REMEDY;
    const text = `not in the kernel as ordered: ${missingPolicies.join(', ')}: ${remedy}`;
    return `peering ${member.peering}, ${name}: ${text}`.slice(0, MAX_TROUBLE_MESSAGE);
  }
  return undefined;
}

/** What of an exemption of such a peering the kernel lacks. */
function refusedExemption(inputs: StatusInputs, isOf: (peering: string) => boolean): string | undefined {
  const refused = exemptionReports(inputs).find(
    ({ peering, report }) => isOf(peering) && report.installed < report.policies,
  );
  if (refused === undefined) return undefined;
  const { peering, peer, report } = refused;
  const { traffic, policies, installed } = report;
  const why = peer.lastFailure === undefined ? '' : `: ${peer.lastFailure.text}`;
  const text = `${policies - installed} of the ${policies} policies that exempt ${traffic} are not in the kernel`;
  return `peering ${peering}, ${peer.name}: ${text}${why}`.slice(0, MAX_TROUBLE_MESSAGE);
}

function refusalText(refusal: string): string {
  return `what was carried out before stays, and this is tried again: ${refusal}`.slice(0, MAX_TROUBLE_MESSAGE);
}

function loadedVerdict({ desired, missing, refusal }: StatusInputs): Verdict {
  if (refusal !== undefined) return { status: 'Unknown', reason: 'NotApplied', message: refusalText(refusal) };
  const [waiting] = desired.withoutCredentials;
  if (waiting !== undefined) {
    const text = missing.get(waiting) ?? desired.faults.get(waiting) ?? '';
    return { status: 'False', reason: 'CredentialsMissing', message: `peering ${waiting}: ${text}` };
  }
  const [held] = desired.config.heldBack;
  if (held !== undefined) {
    return {
      status: 'False',
      reason: 'CredentialsHeldBack',
      message: `what was loaded before is in use: ${held.text}`,
    };
  }
  return { status: 'True', reason: 'Loaded', message: 'all keys and certificates are in use' };
}

function peersVerdict(expected: number, encrypting: number, first: Trouble | undefined): Verdict {
  if (encrypting >= expected)
    return { status: 'True', reason: 'Encrypting', message: 'every peer is reached that is to be by now' };
  const example = first === undefined ? '' : `, such as ${first.name}: ${first.message}`;
  return {
    status: 'False',
    reason: 'PeersInTrouble',
    message: `not every peer is reached${example}`.slice(0, MAX_TROUBLE_MESSAGE),
  };
}

function sum(tunnels: ReadonlyMap<string, Tunnels>, of: (tunnels: Tunnels) => number): number {
  return [...tunnels.values()].reduce((total, each) => total + of(each), 0);
}

/** RFC 3339 to the second, as Kubernetes writes it. */
function timestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}

const NO_TUNNELS: Tunnels = { expected: 0, pending: 0, established: 0, encrypting: 0 };
/** A peer that is newer and not reached may not have heard of us yet. */
const PENDING_MS = 60_000;
/** Whoever has changed a policy may want it so for now. */
const POLICY_REMEDY =
  'find who else changes policies on the node; what was removed comes back by itself, what was changed with a new agent';
