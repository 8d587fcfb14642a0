import type { LabNode } from '../topology/lab-node.ts';
import { outsideDevice, places } from './nat-machines.ts';

/** What the client is outside. */
export interface Mapping {
  readonly address: string;
  /** Port outside minus port inside, of the two ports of IKE. */
  readonly shift: number;
}

/**
 * Rewrites source address and port of UDP 500 and 4500 by rules, without connection tracking. When the mapping changes,
 * packets to an earlier one are let in as before: the change itself loses nothing.
 */
export class RewritingNat {
  readonly #router: LabNode;
  #rules = 0;

  private constructor(router: LabNode) {
    this.#router = router;
  }

  /** Begins to translate. */
  static async create(router: LabNode, mapping: Mapping): Promise<RewritingNat> {
    await router.succeed(['tc', 'qdisc', 'add', 'dev', outsideDevice, 'clsact']);
    const nat = new RewritingNat(router);
    await nat.remap(mapping);
    return nat;
  }

  /** From now on packets leave with this mapping. */
  async remap({ address, shift }: Mapping): Promise<void> {
    for (const [index, port] of IKE_PORTS.entries()) {
      const outside = `${port + shift}`;
      this.#rules += 1;
      await this.#filter('ingress', this.#rules, ['dst_ip', address, 'dst_port', outside], {
        address: ['dst', places.client],
        port: ['dport', `${port}`],
      });
      // With the handle of the rule before it takes its place in one step.
      await this.#filter('egress', index + 1, ['src_ip', places.client, 'src_port', `${port}`], {
        address: ['src', address],
        port: ['sport', outside],
      });
    }
  }

  #filter(
    direction: 'ingress' | 'egress',
    handle: number,
    match: readonly string[],
    set: { readonly address: readonly [string, string]; readonly port: readonly [string, string] },
  ): Promise<string> {
    const where = ['dev', outsideDevice, direction, 'protocol', 'ip', 'prio', '1', 'handle', `${handle}`];
    const [addressField, address] = set.address;
    const [portField, port] = set.port;
    const rewrite = ['munge', 'ip', addressField, 'set', address, 'munge', 'udp', portField, 'set', port];
    const action = ['action', 'pedit', 'ex', ...rewrite, 'pipe', 'action', 'csum', 'ip4h', 'and', 'udp'];
    const classifier = ['flower', 'ip_proto', 'udp', ...match];
    return this.#router.succeed(['tc', 'filter', 'replace', ...where, ...classifier, ...action]);
  }
}

const IKE_PORTS = [500, 4500] as const;
