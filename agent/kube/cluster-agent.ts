import type { SecretBytes } from '../crypto/secret.ts';
import type { Dataplane } from '../ports.ts';
import type { Result } from '../result.ts';
import type { Agent } from '../runtime/agent.ts';
import { isBypass } from '../runtime/bypass.ts';
import type { AgentConfig, PlannedChild, PlannedConnection } from '../runtime/config/agent-config.ts';
import { NO_SOURCES, wipeUnused } from '../runtime/config/credential-sources.ts';
import { formatPath } from '../runtime/config/fault.ts';
import type { Log } from '../runtime/log/logger.ts';
import type { StartFailure } from '../runtime/start-failure.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { absentAddressText } from './absent-address.ts';
import type { ClusterState } from './cluster-state.ts';
import { credentialObjects, fileName } from './credential-objects.ts';
import { type DesiredServices, type DesiredState, desiredState } from './desired-state.ts';
import type { ConfigurationFile } from './kept-configuration.ts';
import { certificateKey, certificatesOf } from './own-credentials.ts';

/** What an agent in a cluster is put together from. */
export interface ClusterAgentParts {
  readonly nodeName: string;
  readonly state: ClusterState;
  /** Left out where what is told does not have to be kept. */
  readonly kept: ConfigurationFile | undefined;
  /** Peerings that somebody on the node has unblocked. */
  readonly unblocked: () => ReadonlySet<string>;
  readonly services: DesiredServices;
  readonly startAgent: (config: AgentConfig) => Promise<Result<Agent, StartFailure>>;
  readonly openDataplane: () => Result<Dataplane, string>;
  readonly log: Log;
}

/**
 * Carries out what is known of the cluster: starts the agent when there is something to do, applies differences, and
 * takes everything out of the kernel when an IPsecNodeConfig lists nothing any more.
 */
export class ClusterAgent {
  readonly #parts: ClusterAgentParts;
  #agent: Agent | undefined;
  #desired: DesiredState | undefined;
  #startFailure: string | undefined;
  #refusal: string | undefined;
  /** What was told of last, whether it was carried out or not. */
  #told: DesiredState | undefined;
  #toldAbsent: ReadonlySet<IpAddress> = new Set();
  #cleared = false;
  #generation: number | undefined;
  #keptFailure: string | undefined;

  constructor(parts: ClusterAgentParts) {
    this.#parts = parts;
  }

  get agent(): Agent | undefined {
    return this.#agent;
  }

  /** What was carried out last, or is to be by an agent that cannot start. */
  get desired(): DesiredState | undefined {
    return this.#desired;
  }

  /** Why no agent runs although it should; a sentence. */
  get startFailure(): string | undefined {
    return this.#startFailure;
  }

  /** Why the agent goes on with what was carried out last; a sentence. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Addresses of peerings that the host does not have: what is to come from there waits. */
  get absentAddresses(): ReadonlySet<IpAddress> {
    return this.#agent?.absentAddresses ?? new Set();
  }

  /** The generation of the IPsecNodeConfig that is carried out; undefined before anything is. */
  get generation(): number | undefined {
    return this.#generation;
  }

  /** Why the newest configuration is not kept for the next start; a sentence. */
  get keptFailure(): string | undefined {
    return this.#keptFailure;
  }

  /** Brings the kernel and the agent to what is known; false where that is not possible as it is. */
  async reconcile(): Promise<boolean> {
    const { state, kept, log, services } = this.#parts;
    const { header } = state;
    if (header === undefined) return true;
    const { generation } = header;
    const desired = await this.#compose(header.spec);
    const keeping = state.kept(faultsOfContent(desired));
    const written = keeping === undefined ? undefined : await kept?.write(keeping);
    if (written?.ok === false && this.#keptFailure === undefined)
      log.warn({ text: written.error }, 'the configuration is not kept');
    this.#keptFailure = written?.ok === false ? written.error : undefined;
    const done = header.listed.size === 0 ? await this.#clear() : await this.#carryOut(desired);
    this.#tellAbsent();
    if (done || this.#agent === undefined) this.#desired = desired;
    if (!done) return false;
    this.#generation = generation;
    // Keys that no peering has any more are not to lie there.
    await services.files.retain(new Set(credentialObjects(state.peerings).map(fileName)));
    return true;
  }

  /** Ends; what is in the kernel stays there. */
  stop(): void {
    this.#agent?.stop();
    this.#agent = undefined;
  }

  /** Tells the peers, takes everything out of the kernel, and ends. */
  async flushAndStop(): Promise<void> {
    await this.#agent?.flushAndStop();
    this.#agent = undefined;
  }

  async #compose(spec: {
    readonly nodeUID: string;
    readonly identity: { readonly fqdn: string };
    readonly podCIDRs?: readonly string[] | undefined;
  }): Promise<DesiredState> {
    const { state, services, nodeName } = this.#parts;
    const before = this.#desired;
    const unblocked = this.#parts.unblocked();
    const unknown = state.unknown();
    const leftovers = this.#agent === undefined ? this.#kernelHasOurs() : before?.config.leavesUnwanted === true;
    const desired = await desiredState(
      {
        nodeName,
        nodeUid: spec.nodeUID,
        fqdn: spec.identity.fqdn,
        podCidrs: spec.podCIDRs ?? [],
        peerings: state.peerings.filter(({ name }) => !unblocked.has(name)),
        peers: state.peers(),
        standIns: this.#agent === undefined && leftovers,
        unknown: { ...unknown, peerings: new Set([...unknown.peerings].filter((name) => !unblocked.has(name))) },
        leftovers,
      },
      services,
      before?.config.credentials.sources ?? NO_SOURCES,
    );
    if (before === undefined || this.#agent === undefined) return desired;
    const moved = movedConnections(desired, before);
    const lacking = moved.length === 0 ? new Set() : this.#agent.lacking(desired.config.addresses);
    const held = moved.filter(({ localAddress }) => lacking.has(localAddress)).map(({ name }) => name);
    return withStaying(desired, before, new Set(held));
  }

  /** Whether an earlier run has left policies that packets depend on. */
  #kernelHasOurs(): boolean {
    const opened = this.#parts.openDataplane();
    if (!opened.ok) return false;
    const dumped = opened.value.dump();
    opened.value.close();
    return dumped.ok && dumped.value.policies.some((policy) => policy.ours && !isBypass(policy));
  }

  async #carryOut(desired: DesiredState): Promise<boolean> {
    const { log } = this.#parts;
    this.#cleared = false;
    this.#tellFaults(desired);
    const { config } = desired;
    if (this.#agent !== undefined) {
      const applied = this.#agent.reload(config, 'credentials');
      const refusal = applied.ok ? undefined : applied.error;
      if (refusal !== undefined && refusal !== this.#refusal)
        log.error({ text: refusal }, 'configuration not applied; the agent goes on with the one it has');
      this.#refusal = refusal;
      if (refusal !== undefined && this.#desired !== undefined)
        wipeUnused(config.credentials.sources, this.#desired.config.credentials.sources);
      return applied.ok;
    }
    if (config.connections.length === 0) {
      this.#startFailure = undefined;
      return true;
    }
    const started = await this.#parts.startAgent(config);
    if (!started.ok) {
      if (this.#startFailure !== started.error.text) log.error({ text: started.error.text }, 'the agent cannot start');
      this.#startFailure = started.error.text;
      return false;
    }
    this.#startFailure = undefined;
    this.#agent = started.value;
    log.info({ node: config.nodeName, peers: config.connections.length }, 'agent started');
    return true;
  }

  /** Nothing is to be left, not of an earlier run either. */
  async #clear(): Promise<boolean> {
    if (this.#cleared) return true;
    const { log, nodeName } = this.#parts;
    if (this.#agent === undefined) {
      const nothing: AgentConfig = {
        nodeName,
        addresses: [],
        connections: [],
        text: '',
        resolved: new Map(),
        warnings: [],
        heldBack: [],
        credentials: { sources: NO_SOURCES, files: [], watched: [], validFromMs: undefined },
      };
      const started = await this.#parts.startAgent(nothing);
      this.#startFailure = started.ok ? undefined : started.error.text;
      if (!started.ok) return false;
      this.#agent = started.value;
    }
    await this.#agent.flushAndStop();
    this.#agent = undefined;
    this.#refusal = undefined;
    this.#cleared = true;
    log.info({}, 'no peering is left: SAs and policies were removed');
    return true;
  }

  /** Each address once, while it is not there. */
  #tellAbsent(): void {
    const absent = this.absentAddresses;
    for (const address of absent) {
      if (!this.#toldAbsent.has(address)) this.#parts.log.warn({ text: absentAddressText(address) }, 'peers wait');
    }
    this.#toldAbsent = absent;
  }

  /** Each fault once, while it stays the same. */
  #tellFaults(desired: DesiredState): void {
    const missing = this.#parts.state.missing();
    for (const [peering, text] of desired.faults) {
      if (this.#told?.faults.get(peering) === text) continue;
      this.#parts.log.warn({ peering, text: missing.get(peering) ?? text }, 'a peering cannot be carried out');
    }
    const told = new Set(this.#told?.conflicts.map((each) => JSON.stringify(each)));
    for (const conflict of desired.conflicts) {
      if (!told.has(JSON.stringify(conflict))) this.#parts.log.warn({ ...conflict }, 'left out of a peering');
    }
    for (const { path, text } of desired.config.warnings) {
      if (this.#told?.config.warnings.some((each) => each.text === text) === true) continue;
      this.#parts.log.warn({ text: `${formatPath(path)}: ${text}` }, 'questionable configuration');
    }
    this.#told = desired;
  }
}

/** Faults of what peerings say; keys that are not there yet are none. */
function faultsOfContent({ faults, withoutCredentials }: DesiredState): ReadonlyMap<string, string> {
  return new Map([...faults].filter(([name]) => !withoutCredentials.has(name)));
}

/** What runs from another address than it is to. */
function movedConnections({ config }: DesiredState, before: DesiredState): readonly PlannedConnection[] {
  const running = new Map(before.config.connections.map(({ name, localAddress }) => [name, localAddress]));
  return config.connections.filter(({ name, localAddress }) => running.has(name) && running.get(name) !== localAddress);
}

/**
 * What runs of peerings that cannot be made anew at this moment goes on as it is, and so do the connections that are
 * `held`: they are to move to an address that the host does not have.
 */
function withStaying(made: DesiredState, before: DesiredState, held: ReadonlySet<string>): DesiredState {
  const desired = withoutConnections(withStayingChildren(made, before), held);
  const names = new Set(desired.config.connections.map(({ name }) => name));
  const staying = before.config.connections.filter(({ name }) => {
    const members = before.memberships.get(name) ?? [];
    return held.has(name) || (!names.has(name) && members.some(({ peering }) => desired.faults.has(peering)));
  });
  if (staying.length === 0) return desired;
  const memberships = new Map(desired.memberships);
  for (const { name } of staying) memberships.set(name, before.memberships.get(name) ?? []);
  const { config } = desired;
  const kept = before.config.credentials.sources;
  const sources = config.credentials.sources;
  const secrets = new Map<string, SecretBytes>([...kept.secrets, ...sources.secrets]);
  const used = certificatesOf(staying);
  const stayingCredentials = [...kept.credentials].filter(([, { credential }]) => used.has(certificateKey(credential)));
  const credentials = new Map([...stayingCredentials, ...sources.credentials]);
  const watched = [...config.credentials.watched, ...stayingCredentials.map(([, loaded]) => loaded.watched)];
  return {
    ...desired,
    memberships,
    config: {
      ...config,
      addresses: [...new Set([...config.addresses, ...staying.map(({ localAddress }) => localAddress)])],
      connections: [...config.connections, ...staying],
      credentials: { ...config.credentials, watched, sources: { ...sources, secrets, credentials } },
    },
  };
}

function withoutConnections(desired: DesiredState, names: ReadonlySet<string>): DesiredState {
  const { config } = desired;
  return { ...desired, config: { ...config, connections: config.connections.filter(({ name }) => !names.has(name)) } };
}

/** The same of connections that other peerings have with the same node. */
function withStayingChildren(desired: DesiredState, before: DesiredState): DesiredState {
  const running = new Map(before.config.connections.map((connection) => [connection.name, connection]));
  const memberships = new Map(desired.memberships);
  const connections = desired.config.connections.map((connection) => {
    const { name } = connection;
    const members = memberships.get(name) ?? [];
    const faulty = (before.memberships.get(name) ?? []).filter(
      ({ peering }) => desired.faults.has(peering) && !members.some((member) => member.peering === peering),
    );
    if (faulty.length === 0) return connection;
    memberships.set(name, [...members, ...faulty]);
    const names = new Set(faulty.flatMap(({ children = [] }) => children));
    const ran = running.get(name)?.children ?? [];
    const others = connection.children.filter((child) => !names.has(child.name));
    const place = new Map(ran.map((child, index) => [child.name, index]));
    const placeOf = (child: PlannedChild): number => place.get(child.name) ?? place.size;
    const children = [...others, ...ran.filter((child) => names.has(child.name))];
    // In the order in which they run, so that what did not change is the same.
    return { ...connection, children: children.toSorted((one, other) => placeOf(one) - placeOf(other)) };
  });
  return { ...desired, memberships, config: { ...desired.config, connections } };
}
