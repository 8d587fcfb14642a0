import { overlap } from '../../api/ip-text.ts';
import type { AgentChild, AgentPeer, AgentReport } from '../diagnosis/agent-report.ts';
import type { Facts } from '../diagnosis/facts.ts';
import { lackText } from '../diagnosis/known.ts';
import { connectionsWith } from '../diagnosis/view.ts';

/** Whom a node sends probes to; what `agent probe --plan` reads. */
export interface ProbeTarget {
  /** Of the pair and of what of it is tried, at both ends alike. */
  readonly name: string;
  readonly local: string;
  readonly remote: string;
  readonly mode: string;
  readonly outerRemote: string;
  readonly reqids: readonly number[];
}

/** Two nodes between whom a Child SA is tried. */
export interface ProbePair {
  readonly name: string;
  readonly nodes: readonly [string, string];
  /** `transport, 10.0.0.1 to 10.0.0.2` */
  readonly what: string;
}

/** Between two nodes nothing can be tried: why. */
export interface Untried {
  readonly nodes: readonly [string, string];
  readonly text: string;
  /** It is not known whether it encrypts, rather than known that it does not. */
  readonly isUnknown: boolean;
}

export interface ProbePlans {
  readonly pairs: readonly ProbePair[];
  readonly untried: readonly Untried[];
  readonly targets: ReadonlyMap<string, readonly ProbeTarget[]>;
}

/** What is to be sent between which addresses, so that each Child SA of each pair of nodes is used in both directions. */
export function planProbes(facts: Facts, pairs: readonly (readonly [string, string])[]): ProbePlans {
  const planned: ProbePair[] = [];
  const untried: Untried[] = [];
  const targets = new Map<string, ProbeTarget[]>();
  const add = (node: string, target: ProbeTarget): void => {
    targets.set(node, [...(targets.get(node) ?? []), target]);
  };
  for (const nodes of pairs) {
    const [own, peer] = nodes;
    const [left, right] = [reportOf(facts, own), reportOf(facts, peer)];
    if (typeof left === 'string' || typeof right === 'string') {
      const text = typeof left === 'string' ? left : String(right);
      untried.push({ nodes, text, isUnknown: true });
      continue;
    }
    const connections = connectionsWith(left, peer).flatMap((connection) => {
      const mirror = connectionsWith(right, own).find(
        ({ localAddress, remoteAddress }) =>
          localAddress === connection.remoteAddress && remoteAddress === connection.localAddress,
      );
      return mirror === undefined ? [] : [{ connection, mirror }];
    });
    if (connections.length === 0) {
      untried.push({ nodes, text: 'no peering has both of them', isUnknown: false });
      continue;
    }
    for (const { connection, mirror } of connections) {
      if (installedOf(connection).length === 0 || installedOf(mirror).length === 0) {
        untried.push({ nodes, text: `there is no Child SA for ${connection.name}`, isUnknown: false });
        continue;
      }
      const tried = pathsOf(facts, nodes, connection, mirror);
      for (const text of tried.without) untried.push({ nodes, text, isUnknown: true });
      for (const path of tried.paths) {
        const name = `${own} ${peer} ${path.local} ${path.remote} ${path.mode}`;
        planned.push({ name, nodes, what: `${path.mode}, ${path.local} to ${path.remote}` });
        const { local, remote, mode } = path;
        add(own, { name, local, remote, mode, outerRemote: connection.remoteAddress ?? '', reqids: path.reqids });
        add(peer, {
          name,
          local: remote,
          remote: local,
          mode,
          outerRemote: mirror.remoteAddress ?? '',
          reqids: path.mirrorReqids,
        });
      }
    }
  }
  return { pairs: planned, untried, targets };
}

interface Path {
  readonly local: string;
  readonly remote: string;
  readonly mode: string;
  readonly reqids: readonly number[];
  readonly mirrorReqids: readonly number[];
}

interface Paths {
  readonly paths: readonly Path[];
  /** Why Child SAs cannot be tried. */
  readonly without: readonly string[];
}

/** One path for each Child SA, between addresses that the two hosts have themselves. */
function pathsOf(
  facts: Facts,
  [own, peer]: readonly [string, string],
  connection: AgentPeer,
  mirror: AgentPeer,
): Paths {
  const children = installedOf(connection);
  const [locals, remotes] = [addressesOf(facts, own), addressesOf(facts, peer)];
  const paths = new Map<string, Path>();
  const without = new Set<string>();
  for (const { localSelectors, remoteSelectors, mode = '' } of children) {
    const local = locals.find((address) => isWithin(address, localSelectors));
    const remote = remotes.find((address) => isWithin(address, remoteSelectors));
    if (local === undefined || remote === undefined) {
      const [lacking, selectors] = local === undefined ? [own, localSelectors] : [peer, remoteSelectors];
      without.add(`${lacking} has no address of its own within ${selectors.join(' ')}: only its pods can try that`);
      continue;
    }
    const reqids = reqidsBetween(children, local, remote);
    const mirrorReqids = reqidsBetween(installedOf(mirror), remote, local);
    if (mirrorReqids.length > 0) paths.set(`${local} ${remote}`, { local, remote, mode, reqids, mirrorReqids });
    else without.add(`${peer} has no Child SA from ${remote} to ${local} as ${own} has`);
  }
  return { paths: [...paths.values()], without: [...without] };
}

function installedOf({ ikeSas }: AgentPeer): readonly AgentChild[] {
  return ikeSas.flatMap(({ children }) => children).filter(({ state }) => state === 'installed');
}

/** While an SA is being replaced there are two of the same. */
function reqidsBetween(children: readonly AgentChild[], local: string, remote: string): readonly number[] {
  const fitting = children.filter(
    ({ localSelectors, remoteSelectors }) => isWithin(local, localSelectors) && isWithin(remote, remoteSelectors),
  );
  return [...new Set(fitting.flatMap(({ reqid }) => reqid ?? []))];
}

/** Selectors of a protocol or ports stand in brackets; ranges that are no network are left alone. */
function isWithin(address: string, selectors: readonly string[]): boolean {
  const whole = `${address}/${address.includes(':') ? 128 : 32}`;
  return selectors.some((selector) => !/[[-]/.test(selector) && overlap(whole, selector));
}

function addressesOf(facts: Facts, node: string): readonly string[] {
  const host = facts.hosts.get(node);
  return host?.known === true ? host.value.interfaces.flatMap(({ addresses }) => addresses) : [];
}

function reportOf(facts: Facts, node: string): AgentReport | string {
  const [agent, host] = [facts.agents.get(node), facts.hosts.get(node)];
  if (agent === undefined || host === undefined) return `the agent of ${node} was not asked`;
  if (!agent.known) return lackText(agent.lack);
  return host.known ? agent.value : lackText(host.lack);
}
