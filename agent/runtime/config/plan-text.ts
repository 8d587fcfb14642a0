import { describeKey, policyKeyText } from '../../dataplane/texts.ts';
import type { KernelSnapshot, PolicySpec } from '../../dataplane/types.ts';
import { addressIn, leftoversOf } from '../../ike/child/kernel-snapshot.ts';
import { policyCommands } from '../../ike/child/policies.ts';
import { isExempt } from '../../ike/child/policy-places.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import { identityText } from '../../ike/negotiation/identity.ts';
import { algorithmText } from '../../ike/negotiation/suite.ts';
import type { ChildConfig, ConnectionConfig, ProposalConfig, SelectorConfig } from '../../ike/types.ts';
import { timeText } from '../../pki/utc-time.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import { sideText } from './resolve-child.ts';
import { durationText } from './scalars.ts';
import type { WatchedCertificate } from './watched-certificate.ts';

/** What an agent would do with a configuration. */
export interface Plan {
  readonly nodeName: string;
  readonly addresses: readonly IpAddress[];
  readonly connections: readonly ConnectionConfig[];
  readonly bypasses: readonly PolicySpec[];
  /** Certificates and revocation lists that are used, each once. */
  readonly watched: readonly WatchedCertificate[];
  /** What the kernel has, or why it would not say. */
  readonly kernel: KernelSnapshot | string;
}

/** What `--check` prints: connections, their Child SAs and policies, and what all this would change in the kernel. */
export function planText(plan: Plan): string {
  const policies = policiesOf(plan.connections, plan.kernel);
  const lines = [
    `node ${plan.nodeName} listens at ${plan.addresses.join(', ')}, UDP 500 and 4500`,
    ...plan.connections.flatMap((connection) => ['', ...connectionLines(connection)]),
    ...(plan.watched.length === 0 ? [] : ['', ...plan.watched.map(watchedLine)]),
    '',
    ...kernelLines(plan, policies),
  ];
  return `${lines.join('\n')}\n`;
}

function connectionLines(connection: ConnectionConfig): readonly string[] {
  const { localAddress, remoteAddress, localIdentity, remoteIdentity, liveness, reauthenticationMs } = connection;
  const proofs =
    reauthenticationMs === undefined ? '' : `, identities proven anew every ${durationText(reauthenticationMs)}`;
  return [
    `peer ${connection.name}: ${localAddress} to ${remoteAddress}`,
    `  we are ${identityText(localIdentity)}, the peer is ${identityText(remoteIdentity)}; ${proofText(connection)}`,
    `  ${INITIATION[connection.initiation]}`,
    ...proposalLines('  IKE', connection.proposals),
    ...mssLines(connection),
    `  IKE SA rekeyed every ${durationText(connection.ikeLifetimeMs)}${proofs}; a silent peer is asked after ` +
      `${durationText(liveness.intervalMs)} and given up after ${durationText(liveness.timeoutMs)}; ` +
      `NAT traversal: ${connection.natTraversal}`,
    ...connection.children.flatMap((child) => childLines(child, connection)),
  ];
}

function mssLines({ mssClamp }: ConnectionConfig): readonly string[] {
  if (mssClamp === undefined) return [];
  return [`  TCP connections agree on segments ${mssClamp === 'auto' ? 'that fit' : `of ${mssClamp} bytes at most`}`];
}

function proofText({ localAuthentication, remoteAuthentication }: ConnectionConfig): string {
  if (localAuthentication.kind === 'preSharedKey' && remoteAuthentication.kind === 'preSharedKey') {
    return 'both prove it by a pre-shared key';
  }
  const ours =
    localAuthentication.kind === 'preSharedKey'
      ? 'a pre-shared key'
      : localAuthentication.credentials.length === 1
        ? 'our certificate'
        : `the one of our ${localAuthentication.credentials.length} certificates that it asks for`;
  if (remoteAuthentication.kind === 'preSharedKey') return `we prove it by ${ours}, the peer by a pre-shared key`;
  const { anchors, revocationLists } = remoteAuthentication.trust;
  const lists = revocationLists.length === 0 ? '' : ` and ${count(revocationLists.length, 'revocation list')}`;
  return `we prove it by ${ours}, the peer by a certificate of ${count(anchors.length, 'authority', 'authorities')}${lists}`;
}

function watchedLine({ kind, file, name, notAfterMs }: WatchedCertificate): string {
  const what = { own: 'our certificate for', authority: 'authority', revocationList: 'revocation list of' }[kind];
  const end = kind === 'revocationList' ? 'to be renewed by' : 'valid until';
  return `${what} ${name}, ${end} ${timeText(notAfterMs)} (${file})`;
}

function childLines(child: ChildConfig, connection: ConnectionConfig): readonly string[] {
  const { softSeconds = 0, hardSeconds = 0 } = child.lifetime;
  const without = child.enforcement === 'Required' ? 'is blocked' : 'passes in plaintext';
  return [
    `  child ${child.name}: ${child.mode} mode, reqid ${child.reqid}; without an SA its traffic ${without}`,
    `    local  ${child.local.map((side) => selectorText(side, connection.localAddress)).join(' ')}`,
    `    remote ${child.remote.map((side) => selectorText(side, connection.remoteAddress)).join(' ')}`,
    ...exemptLines(child),
    ...proposalLines('    ESP', child.proposals),
    `    SAs rekeyed after ${durationText(softSeconds * 1_000)}, gone at the latest after ${durationText(hardSeconds * 1_000)}`,
  ];
}

/** Of several parts of one exemption one line. */
function exemptLines({ exempt = [] }: ChildConfig): readonly string[] {
  const lines = exempt.map(
    ({ name, isSent }) => `    in plaintext ${name}, ${isSent ? 'sent and received' : 'received, not sent'}`,
  );
  return [...new Set(lines)];
}

function proposalLines(label: string, proposals: readonly ProposalConfig[]): readonly string[] {
  return proposals.map(({ algorithms }) => `${label} ${algorithms.map(algorithmText).join('-')}`);
}

function selectorText(side: SelectorConfig, address: IpAddress | 'any'): string {
  const own = address === 'any' ? undefined : { address, prefixLength: address.includes(':') ? 128 : 32 };
  const network = side.prefix && { address: side.prefix.address, prefixLength: side.prefix.length };
  return sideText(network ?? own, { from: side.fromPort, to: side.toPort }, side.protocol);
}

/** What a running agent's kernel has of a peer of any address is wanted as it is. */
function policiesOf(connections: readonly ConnectionConfig[], kernel: Plan['kernel']): readonly PolicySpec[] {
  const indexes = { next: 1 };
  const leftovers = leftoversOf(typeof kernel === 'string' ? NOTHING_INSTALLED : kernel);
  return connections.flatMap((config) => {
    const owner = { config, remoteAddress: addressIn(leftovers, config) };
    const commands = policyCommands(owner, [], new Map(), indexes, DEFAULT_LIMITS, false);
    return commands.flatMap((command) => (command.kind === 'putPolicy' ? [command.policy] : []));
  });
}

function kernelLines(plan: Plan, policies: readonly PolicySpec[]): readonly string[] {
  const { kernel, bypasses } = plan;
  if (typeof kernel === 'string') {
    return [`${policies.length} policies and ${bypasses.length} bypasses for IKE itself; not compared: ${kernel}`];
  }
  const installed = new Map(kernel.policies.map((policy) => [policyKeyText(policy), policy]));
  const wanted = new Set([...policies, ...bypasses].map(policyKeyText));
  const reqids = new Set(plan.connections.flatMap(({ children }) => children.map((child) => child.reqid)));
  const lines = [
    `the kernel has ${count(kernel.sas.filter((sa) => sa.ours).length, 'SA')} and ` +
      `${count(kernel.policies.filter((policy) => policy.ours).length, 'policy', 'policies')} of ours`,
  ];
  const there = bypasses.filter((policy) => installed.get(policyKeyText(policy))?.ours === true).length;
  lines.push(
    `${there === bypasses.length ? '=' : '+'} ${bypasses.length} bypasses for IKE and neighbour discovery, ${there} of them there`,
  );
  for (const policy of [...bypasses, ...policies]) {
    const present = installed.get(policyKeyText(policy));
    if (present !== undefined && !present.ours) {
      lines.push(`! ${describeKey(policy)} belongs to another program and stays as it is`);
    } else if (isExempt(policy)) {
      const sign = present === undefined ? '+' : '=';
      lines.push(`${sign} ${describeKey(policy)}: in plaintext`);
    } else if (policy.template !== undefined) {
      const { mode, level, reqid } = policy.template;
      const sign = present === undefined ? '+' : '=';
      lines.push(`${sign} ${describeKey(policy)}: ESP in ${mode} mode, ${level}, reqid ${reqid}`);
    }
  }
  for (const policy of kernel.policies) {
    if (policy.ours && !wanted.has(policyKeyText(policy))) lines.push(`- ${describeKey(policy)}`);
  }
  for (const sa of kernel.sas) {
    if (sa.ours && !reqids.has(sa.reqid)) lines.push(`- SA to ${sa.id.destination}, SPI ${sa.id.spi.toString(16)}`);
  }
  return lines;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

const INITIATION: Readonly<Record<ConnectionConfig['initiation'], string>> = {
  start: 'we begin at once',
  takeover: `the peer begins; if it has not within ${durationText(DEFAULT_LIMITS.takeoverMs)}, we do`,
  onDemand: 'we begin when there is traffic',
  respond: 'the peer begins; we wait for it',
};
const NOTHING_INSTALLED: KernelSnapshot = { policies: [], sas: [] };
