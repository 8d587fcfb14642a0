import type { NetworkNamespace } from '../network/namespace.ts';
import type { ClusterNode } from './cluster-node.ts';
import { cniConfiguration, type NodeObject, podNetworkNode, podRoutes, routeChanges } from './pod-network.ts';

/** What a machine has been told. */
interface Applied {
  configuration: string;
  routes: readonly string[];
}

/**
 * Gives every node its CNI configuration and the routes to the others' pods, and the control plane's machine the routes
 * to all. Level-based: whatever changed, what is missing is brought.
 */
export class NodeController {
  readonly #nodes: ReadonlyMap<string, ClusterNode>;
  readonly #namespace: NetworkNamespace;
  readonly #say: (line: string) => void;
  readonly #applied = new Map<ClusterNode, Applied>();
  #routerRoutes: readonly string[] = [];
  #known: readonly NodeObject[] = [];
  #running: Promise<void> | undefined;
  #again = false;

  constructor(nodes: ReadonlyMap<string, ClusterNode>, namespace: NetworkNamespace, say: (line: string) => void) {
    this.#nodes = nodes;
    this.#namespace = namespace;
    this.#say = say;
  }

  /** The Nodes as the API server last told. */
  get known(): readonly NodeObject[] {
    return this.#known;
  }

  /** Takes notice of what the API server tells. */
  observe(nodes: readonly NodeObject[]): void {
    this.#known = nodes;
    this.#reconcile();
  }

  /** A node has booted, and its kernel knows no routes. */
  booted(node: ClusterNode): void {
    this.#applied.delete(node);
    this.#reconcile();
  }

  #reconcile(): void {
    this.#again = true;
    this.#running ??= this.#reconcileAll().finally(() => {
      this.#running = undefined;
    });
  }

  async #reconcileAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const all = this.#known.map(podNetworkNode);
      const router = podRoutes(all, undefined);
      const work = [...this.#nodes.values()].map((node) => this.#configure(node, all));
      const results = await Promise.allSettled([...work, this.#configureRouter(router)]);
      const failures = results.filter((result) => result.status === 'rejected');
      for (const { reason } of failures) this.#say(`the pod network, which is tried again: ${String(reason)}`);
      if (failures.length > 0) setTimeout(() => this.#reconcile(), retryMs).unref();
    }
  }

  async #configure(node: ClusterNode, all: ReturnType<typeof podNetworkNode>[]): Promise<void> {
    const own = all.find(({ name }) => name === node.name);
    if (!node.isRunning || own === undefined || own.podNetworks.length === 0) return;
    const before = this.#applied.get(node) ?? { configuration: '', routes: [] };
    const after: Applied = { configuration: cniConfiguration(own), routes: podRoutes(all, node.name) };
    const changes = routeChanges(before.routes, after.routes);
    if (changes.length > 0) await node.succeed(['ip', '-force', '-batch', '-'], { input: `${changes.join('\n')}\n` });
    if (before.configuration !== after.configuration) {
      // By a rename: containerd reads the folder whenever something changes there.
      const script = 'cat > /etc/cni/net.d/.new && mv /etc/cni/net.d/.new /etc/cni/net.d/10-pods.conflist';
      await node.succeed(['sh', '-c', script], { input: after.configuration });
    }
    this.#applied.set(node, after);
  }

  async #configureRouter(routes: readonly string[]): Promise<void> {
    const changes = routeChanges(this.#routerRoutes, routes);
    if (changes.length > 0) await this.#namespace.ip(...changes);
    this.#routerRoutes = routes;
  }
}

/** A machine that is busy, or ends just now, comes to it later. */
const retryMs = 2000;
