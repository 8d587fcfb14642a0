import { ownIndexSequence } from '../dataplane/ownership.ts';
import { describeKey, policyKeyText } from '../dataplane/texts.ts';
import type { DataplaneCommand, KernelSnapshot, PolicySpec } from '../dataplane/types.ts';
import type { Fact } from '../ike/fact.ts';
import type { ConnectionChange, ConnectionConfig, Endpoint } from '../ike/types.ts';
import type {
  Clock,
  Dataplane,
  Observer,
  RevocationMemory,
  SegmentClamps,
  Timers,
  Transport,
  Verifier,
} from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { type IpAddress, ipFamily } from '../wire/ip-address.ts';
import { type Bypass, bypasses, isBypass, isPathMtuBypass, withFreeIndexes } from './bypass.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { assignReqids } from './config/assign-reqids.ts';
import { type AuthorityEnd, authorityEnds } from './config/authority-ends.ts';
import { configDifference } from './config/difference.ts';
import { type ConfigFault, formatPath } from './config/fault.ts';
import type { DropCounters } from './counters.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { KernelWatch } from './kernel-watch.ts';
import { LinkWatch } from './link-watch.ts';
import { hasLinkLocal, listenAt, socketFailureText } from './listening.ts';
import { DefectLog } from './log/defect-log.ts';
import type { Log } from './log/logger.ts';
import { Loop } from './loop.ts';
import { PathMtuRounds } from './path-mtu-rounds.ts';
import { SegmentClampWatch } from './segment-clamp-watch.ts';
import { segmentSizes } from './segment-sizes.ts';
import { environmentFailure, type StartFailure } from './start-failure.ts';
import type { PathMtuSource } from './status/path-mtu-report.ts';
import { type StatusReport, statusReport } from './status/report.ts';
import type { IkePorts, SocketFailure } from './transport-udp.ts';
import type { HolderState } from './udp-ike-socket.ts';

/** A transport whose addresses change with the configuration. */
export interface IkeTransport extends Transport {
  /** Listens at these addresses too. */
  listen(addresses: readonly IpAddress[]): Result<void, SocketFailure>;
  /** Listens nowhere else any more. */
  retain(addresses: readonly IpAddress[]): void;
  /** Where it listens in vain, because an interface was removed or made anew. */
  readonly stale: readonly IpAddress[];
  /** Who keeps its sockets of ESP in UDP when it closes them; undefined where nobody was asked. */
  readonly holder?: HolderState | undefined;
}

/** What an agent is put together from. */
export interface AgentParts {
  readonly config: AgentConfig;
  /** Makes the core, whose policies are to be numbered from this sequence of our range. */
  readonly createEndpoint: (firstPolicySequence: number) => Endpoint;
  readonly transport: IkeTransport;
  readonly dataplane: Dataplane;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly verifier: Verifier | undefined;
  readonly revocations?: RevocationMemory;
  readonly verificationTimeoutMs: number;
  readonly observers: readonly Observer[];
  readonly drops: DropCounters;
  readonly log: Log;
  readonly ports: IkePorts;
  /** Where the status asks how long packets may be. */
  readonly pathMtus?: PathMtuSource | undefined;
  /** The host's packet filter, where segments of TCP can be clamped. */
  readonly segmentClamps?: SegmentClamps | undefined;
  /** Also ICMP about the path MTU is received only encrypted, where it is from within what is encrypted. */
  readonly refusesPlainPathMtu?: boolean | undefined;
  /** Peers are asked in packets of many lengths which arrive. */
  readonly probesPathMtu?: boolean | undefined;
  readonly version: string;
  readonly cryptoProvider: string;
}

/** A running agent: the loop, what it is configured to do, and how that changes and ends. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #loop: Loop;
  readonly #startedAt: number;
  /** Our address of each. */
  readonly #openIkeSas = new Map<number, IpAddress>();
  readonly #expiry: ExpiryWatch;
  readonly #links: LinkWatch;
  readonly #kernel: KernelWatch;
  readonly #pathMtuRounds: PathMtuRounds | undefined;
  readonly #clamps: SegmentClampWatch | undefined;
  #config: AgentConfig;
  #absentAddresses: ReadonlySet<IpAddress> = new Set();
  #authorityEnds: readonly AuthorityEnd[];
  #connections: readonly ConnectionConfig[];
  /** Whether something of an earlier run, which nothing that was configured until now wants, may be in the kernel. */
  #leavesUnwanted = false;
  #onAllClosed: () => void = () => {};
  #callOffRelease: () => void = () => {};

  private constructor(parts: AgentParts, endpoint: Endpoint, connections: readonly ConnectionConfig[]) {
    this.#parts = parts;
    this.#connections = connections;
    this.#config = parts.config;
    this.#authorityEnds = authorityEnds(parts.config.credentials.sources);
    this.#expiry = new ExpiryWatch({ ...parts, report: (fact) => this.#report(fact) });
    this.#links = new LinkWatch({
      timers: parts.timers,
      isStale: () => parts.transport.stale.length > 0,
      onStale: () => this.#followInterfaces(),
    });
    this.#kernel = new KernelWatch({ ...parts, onSurvey: (snapshot) => this.#survey(snapshot) });
    const { timers, pathMtus } = parts;
    if (parts.probesPathMtu === true && pathMtus !== undefined) {
      const search = (name: string, most: number) => this.#loop.command({ kind: 'searchPathMtu', name, most });
      this.#pathMtuRounds = new PathMtuRounds({ timers, pathMtus, connections: () => this.#connections, search });
    }
    if (parts.segmentClamps !== undefined) {
      this.#clamps = new SegmentClampWatch({
        timers,
        clamps: parts.segmentClamps,
        log: parts.log,
        isWanted: () => this.#connections.some(({ mssClamp }) => mssClamp !== undefined),
        sizes: (present) => segmentSizes(this.#connections, this.#loop.status().connections, pathMtus, present),
      });
    }
    this.#startedAt = parts.clock.monotonicMs();
    const defects = new DefectLog(parts.log, parts.clock);
    this.#loop = new Loop({
      ...parts,
      endpoint,
      observers: [...parts.observers, { note: (fact) => this.#noteFact(fact) }],
      onDefect: (error) => defects.note(error),
    });
  }

  /**
   * Takes over what an earlier run left in the kernel, lets IKE pass by all policies, and begins with the configured
   * connections. SAs of the earlier run go on protecting traffic until their successors are in use.
   */
  static start(parts: AgentParts): Result<Agent, StartFailure> {
    const listening = listenAt(parts.transport, parts.config.addresses, parts.config);
    if (!listening.ok) return err(environmentFailure(socketFailureText(listening.error)));
    const dumped = parts.dataplane.dump();
    if (!dumped.ok) return err(environmentFailure(`the kernel's SAs cannot be read: ${dumped.error.message}`));
    const bypassed = Agent.#putBypasses(parts, dumped.value);
    if (!bypassed.ok) return bypassed;
    const endpoint = parts.createEndpoint(nextPolicySequence(dumped.value));
    const connections = assignReqids(parts.config.connections, [], dumped.value);
    const agent = new Agent(parts, endpoint, connections);
    agent.#absentAddresses = listening.value;
    // What an earlier run left may be of what is not carried out for want of its address.
    const leavesUnwanted = parts.config.leavesUnwanted === true || listening.value.size > 0;
    agent.#leavesUnwanted = leavesUnwanted;
    agent.#loop.command({ kind: 'start', connections, snapshot: dumped.value, leavesUnwanted });
    if (!leavesUnwanted) agent.#removeStaleBypasses(dumped.value);
    agent.#expiry.watch(parts.config.credentials.watched);
    agent.#links.watch(hasLinkLocal(parts.config.addresses));
    agent.#kernel.start();
    agent.#pathMtuRounds?.start();
    agent.#clamps?.start();
    return ok(agent);
  }

  /**
   * Applies the difference to another configuration, or to the same one with other keys and certificates; a failure
   * leaves everything as it is. Where it listened before and cannot at the moment, it is tried again by itself, and is in
   * the way of nothing.
   */
  reload(config: AgentConfig, what: keyof typeof CHANGED = 'file'): Result<void, string> {
    const { dataplane, transport } = this.#parts;
    const dumped = dataplane.dump();
    if (!dumped.ok) return err(`the kernel's SAs cannot be read: ${dumped.error.message}`);
    const listening = listenAt(transport, this.#unheard(config.addresses), config);
    if (!listening.ok) return err(socketFailureText(listening.error));
    this.#absentAddresses = listening.value;
    const leavesUnwanted = config.leavesUnwanted === true || listening.value.size > 0;
    const wanted = assignReqids(config.connections, this.#connections, dumped.value);
    const difference = configDifference(this.#connections, wanted);
    this.#connections = difference.connections;
    const { heldBack } = this.#config;
    const bypassesBefore = this.#bypasses();
    this.#config = config;
    this.#restoreBypasses(dumped.value, bypassesBefore);
    this.#change(difference.changes, dumped.value);
    if (!leavesUnwanted) this.#removeUnwanted();
    transport.retain(this.#addressesInUse());
    // At the addresses of what cannot be carried out an earlier run may still receive ESP in UDP.
    if (!leavesUnwanted) this.#removeStaleBypasses(dumped.value);
    this.#links.watch(hasLinkLocal(config.addresses));
    this.#clamps?.changed();
    this.#takeCredentials(heldBack.map(faultText));
    const changes = difference.changes.length;
    if (what === 'file' || changes > 0) this.#parts.log.info({ changes, peers: wanted.length }, CHANGED[what](changes));
    return ok(undefined);
  }

  /**
   * Which of these addresses the host does not have. At the others it listens from here on; a reload decides for how long.
   */
  lacking(addresses: readonly IpAddress[]): ReadonlySet<IpAddress> {
    const listening = listenAt(this.#parts.transport, this.#unheard(addresses), { mayLackAddresses: true });
    return listening.ok ? listening.value : new Set();
  }

  /** Where it did not listen until now. */
  #unheard(addresses: readonly IpAddress[]): readonly IpAddress[] {
    const heard = this.#config.addresses.filter((one) => !this.#absentAddresses.has(one));
    return addresses.filter((one) => !heard.includes(one));
  }

  #change(changes: readonly ConnectionChange[], snapshot: KernelSnapshot): void {
    for (const change of changes) {
      if (change.kind === 'updateConnection' && change.formerName !== undefined)
        this.#parts.revocations?.rename(change.formerName, change.connection.name);
    }
    const takesOver = ({ kind }: ConnectionChange) => this.#leavesUnwanted && kind === 'addConnection';
    const told = changes.map((change) => (takesOver(change) ? { ...change, snapshot } : change));
    this.#loop.command({ kind: 'changeConnections', changes: told });
  }

  /** What an earlier run left and nobody wants, now that everything is known that anybody may want. */
  #removeUnwanted(): void {
    if (!this.#leavesUnwanted) return;
    const dumped = this.#parts.dataplane.dump();
    // What cannot be read is looked at again at the next change.
    if (!dumped.ok) return;
    this.#leavesUnwanted = false;
    this.#loop.command({ kind: 'removeUnwanted', snapshot: dumped.value });
  }

  /** Gives back to the kernel what it lacks of ours, and what somebody has changed of it; false where it cannot be read. */
  restorePolicies(): boolean {
    const dumped = this.#parts.dataplane.dump();
    if (!dumped.ok) return false;
    this.#restoreBypasses(dumped.value);
    this.#loop.resync(dumped.value);
    return true;
  }

  /** Addresses that it is to listen at and cannot, because the host does not have them; a reload looks again. */
  get absentAddresses(): ReadonlySet<IpAddress> {
    return this.#absentAddresses;
  }

  /** A picture of the agent with the kernel's counters of this moment. */
  status(): StatusReport {
    const { clock, dataplane, drops, version, cryptoProvider } = this.#parts;
    const dumped = dataplane.dump();
    return statusReport({
      node: this.#config.nodeName,
      version,
      cryptoProvider,
      startedAt: this.#startedAt,
      now: clock.monotonicMs(),
      wallMs: clock.wallMs(),
      endpoint: this.#loop.status(),
      connections: this.#connections,
      watched: this.#config.credentials.watched,
      authorityEnds: this.#authorityEnds,
      shownCertificate: (connection) => this.#parts.revocations?.shownCertificate(connection),
      heldBack: this.#config.heldBack.map(faultText),
      snapshot: dumped.ok ? dumped.value : undefined,
      kernelFailure: dumped.ok ? undefined : dumped.error.message,
      dropped: drops.droppedCounts,
      unsent: drops.unsentCounts,
      holder: this.#parts.transport.holder,
      bypasses: this.#bypasses(),
      unresolved: this.#config.unresolved,
      pathMtus: this.#parts.pathMtus,
      clamps: this.#clamps?.state,
    });
  }

  /** Ends. SAs and policies stay in the kernel and go on protecting traffic, for the next run to take over. */
  stop(): void {
    this.#expiry.stop();
    this.#pathMtuRounds?.stop();
    this.#links.watch(false);
    this.#kernel.stop();
    this.#clamps?.stop();
    this.#loop.stop();
    this.#callOffRelease();
    this.#parts.transport.close();
    this.#parts.dataplane.close();
  }

  /** Ends and leaves nothing behind: peers are told, within a bound, and everything of ours is removed. */
  async flushAndStop(): Promise<void> {
    for (const { name } of this.#connections) this.#loop.command({ kind: 'removeConnection', name });
    await this.#allClosed();
    this.#kernel.stop();
    this.#loop.stop();
    this.#clamps?.remove();
    const dumped = this.#parts.dataplane.dump();
    if (dumped.ok) this.#remove(dumped.value);
    else this.#parts.log.warn({ text: dumped.error.message }, 'SAs and policies were left in the kernel');
    // Nothing is left that a holder could be of use for.
    this.#parts.transport.retain([]);
    this.stop();
  }

  /** What follows from keys, certificates and lists that were read again; `told` is what was held back before. */
  #takeCredentials(told: readonly string[]): void {
    const { heldBack, credentials } = this.#config;
    for (const text of heldBack.map(faultText)) {
      if (!told.includes(text)) this.#report({ kind: 'credentialHeldBack', text });
    }
    this.#expiry.watch(credentials.watched);
    this.#authorityEnds = authorityEnds(credentials.sources);
    this.#endRevoked();
  }

  /** Whoever has been revoked is not spoken to any more; everybody else keeps his SAs. */
  #endRevoked(): void {
    const { revocations } = this.#parts;
    revocations?.retain(new Set(this.#connections.map(({ name }) => name)));
    for (const { name, remoteAuthentication } of this.#connections) {
      if (remoteAuthentication.kind !== 'certificate') continue;
      const text = revocations?.revocationFault(name, remoteAuthentication.trust);
      if (text === undefined) continue;
      this.#report({ kind: 'peerRevoked', connection: name, text });
      this.#loop.command({ kind: 'terminate', name });
    }
  }

  /** Sockets and policies are of interfaces by number, which the configuration names. False where one is not there. */
  #followInterfaces(): boolean {
    const { transport, log } = this.#parts;
    const addresses = this.#addressesInUse();
    const { stale } = transport;
    transport.retain(addresses.filter((address) => !stale.includes(address)));
    const listening = transport.listen(this.#config.addresses.filter((one) => !this.#absentAddresses.has(one)));
    const isRestored = this.restorePolicies();
    if (listening.ok && isRestored) log.info({ addresses }, 'an interface was made anew');
    else if (!listening.ok && stale.length > 0)
      log.warn({ text: socketFailureText(listening.error) }, 'an interface is gone');
    return listening.ok && isRestored;
  }

  #report(fact: Fact): void {
    for (const observer of this.#parts.observers) observer.note(fact);
  }

  static #putBypasses(parts: AgentParts, { policies }: KernelSnapshot): Result<void, StartFailure> {
    const { dataplane, config, log } = parts;
    const families = new Set(config.addresses.map(ipFamily));
    for (const policy of withFreeIndexes(policiesOf(wantedBypasses(parts, config.addresses)), policies)) {
      const put = dataplane.execute({ kind: 'putPolicy', policy });
      if (put.ok) continue;
      const { errno, object, message } = put.error;
      // Another IKE daemon has let IKE pass already, or blocks it on purpose; both are its operator's business.
      if (errno === 'CONFLICT') log.warn({ object, text: message }, 'a policy for IKE itself is not ours');
      // A kernel may lack a family that nobody uses.
      else if (families.has(ipFamily(policy.selector.source.address))) {
        return err(environmentFailure(`the kernel refuses the ${object}: ${message}`));
      }
    }
    return ok(undefined);
  }

  #survey(snapshot: KernelSnapshot): void {
    this.#restoreBypasses(snapshot);
    this.#loop.survey(snapshot);
  }

  /**
   * Puts the bypasses that a snapshot lacks; those of `before` were there once, and are told of. Whatever has the place of
   * one stays: it is foreign, or somebody who administers the host has changed it.
   */
  #restoreBypasses({ policies }: KernelSnapshot, before: readonly Bypass[] = this.#bypasses()): void {
    const present = new Set(policies.map(policyKeyText));
    const known = new Set(policiesOf(before).map(policyKeyText));
    for (const policy of withFreeIndexes(policiesOf(this.#bypasses()), policies)) {
      const key = policyKeyText(policy);
      if (present.has(key)) continue;
      const put = this.#parts.dataplane.execute({ kind: 'putPolicy', policy });
      // What the kernel refuses is missing in the status, and is tried again.
      if (put.ok && known.has(key)) this.#report({ kind: 'policyRestored', object: describeKey(policy) });
    }
  }

  /**
   * Removes bypasses of a snapshot that are not wanted any more: of addresses that are not listened at, and of an earlier run
   * that was told otherwise or let IKE pass at all addresses. Those that are wanted are in the kernel before.
   */
  #removeStaleBypasses({ policies }: KernelSnapshot): void {
    const wanted = new Set(policiesOf(this.#bypasses()).map(policyKeyText));
    for (const policy of policies) {
      if (isBypass(policy) && !wanted.has(policyKeyText(policy))) this.#executeOrTell(deletePolicy(policy));
    }
  }

  #bypasses(): readonly Bypass[] {
    return wantedBypasses(this.#parts, this.#addressesInUse());
  }

  /** Policies first: what they select passes in plaintext from here on, as was asked for. The way for IKE goes last. */
  #remove(snapshot: KernelSnapshot): void {
    const ours = snapshot.policies.filter((policy) => policy.ours);
    const commands = [
      ...ours.filter((policy) => !isBypass(policy)).map(deletePolicy),
      ...snapshot.sas.filter((sa) => sa.ours).map(({ id }) => ({ kind: 'deleteSa', id }) as const),
      ...ours.filter(isBypass).map(deletePolicy),
    ];
    for (const command of commands) this.#executeOrTell(command);
  }

  #executeOrTell(deletion: DataplaneCommand): void {
    const done = this.#parts.dataplane.execute(deletion);
    if (!done.ok) this.#parts.log.warn({ object: done.error.object, text: done.error.message }, 'left in the kernel');
  }

  #noteFact(fact: Fact): void {
    this.#noteIkeSas(fact);
    if (fact.kind === 'ikeSaEstablished') this.#pathMtuRounds?.established(fact.connection);
    if (DECIDES_SEGMENTS.has(fact.kind)) this.#clamps?.changed();
  }

  #noteIkeSas(fact: Fact): void {
    if (fact.kind === 'ikeSaEstablished' || fact.kind === 'ikeSaRekeyed')
      this.#openIkeSas.set(fact.ikeSa, fact.path.localAddress);
    if (fact.kind === 'ikeSaClosed') {
      this.#openIkeSas.delete(fact.ikeSa);
      // Not before what closes it has been sent.
      if (!this.#config.addresses.includes(fact.path.localAddress)) {
        this.#callOffRelease();
        this.#callOffRelease = this.#parts.timers.after(0, () => this.#releaseAddresses());
      }
    }
    if (this.#openIkeSas.size === 0) this.#onAllClosed();
  }

  /** Ends at addresses that were kept only until their IKE SAs are closed. */
  #releaseAddresses(): void {
    this.#parts.transport.retain(this.#addressesInUse());
    const dumped = this.#parts.dataplane.dump();
    if (dumped.ok) this.#removeStaleBypasses(dumped.value);
  }

  /** Also those that no connection has any more, while a peer there has not answered that all is over. */
  #addressesInUse(): readonly IpAddress[] {
    return [...new Set([...this.#config.addresses, ...this.#openIkeSas.values()])];
  }

  #allClosed(): Promise<void> {
    if (this.#openIkeSas.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const callOff = this.#parts.timers.after(FLUSH_TIMEOUT_MS, resolve);
      this.#onAllClosed = () => {
        callOff();
        resolve();
      };
    });
  }
}

function wantedBypasses(
  { ports, refusesPlainPathMtu }: AgentParts,
  addresses: readonly IpAddress[],
): readonly Bypass[] {
  return bypasses(ports, addresses).filter(
    ({ policies }) => refusesPlainPathMtu !== true || !policies.every(isPathMtuBypass),
  );
}

function policiesOf(wanted: readonly Bypass[]): readonly PolicySpec[] {
  return wanted.flatMap(({ policies }) => policies);
}

/** Above what an earlier run has left: the kernel keeps the indexes of policies that are replaced. */
export function nextPolicySequence(snapshot: KernelSnapshot): number {
  const used = snapshot.policies
    .filter((policy) => policy.ours && !isBypass(policy))
    .map((policy) => ownIndexSequence(policy.index) ?? 0);
  return used.reduce((highest, sequence) => Math.max(highest, sequence), 0) + 1;
}

function deletePolicy(policy: KernelSnapshot['policies'][number]) {
  const { direction, selector, mark, ifId, index } = policy;
  const key = { direction, selector, ...(mark && { mark }), ...(ifId === undefined ? {} : { ifId }) };
  return { kind: 'deletePolicy', key, index } as const;
}

function faultText({ path, text }: ConfigFault): string {
  return `${formatPath(path)}: ${text}`;
}

const CHANGED = {
  file: (changes: number) => (changes === 0 ? 'nothing has changed' : 'configuration applied'),
  names: () => 'names of peers have come to resolve',
  credentials: () => 'new keys or certificates are in use',
} as const;
/** What fits through a Child SA depends on them. */
const DECIDES_SEGMENTS: ReadonlySet<Fact['kind']> = new Set(['childSaEstablished', 'childSaRekeyed', 'pathMtuFound']);
/** A peer that is there answers a Delete in milliseconds; whoever stops the agent does not wait for one that is not. */
const FLUSH_TIMEOUT_MS = 3_000;
