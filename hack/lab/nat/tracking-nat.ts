import { NetlinkConnection } from '../../../agent/dataplane/netlink/connection.ts';
import { openNetlinkSocket } from '../../../agent/dataplane/netlink/socket.ts';
import { errnoName, inNetworkNamespace } from '../../../agent/native/libc.ts';
import { succeed } from '../topology/completed.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { outsideDevice, places } from './nat-machines.ts';

/** Source NAT with connection tracking: a mapping is made by a packet from inside, and lets in what answers it. */
export class TrackingNat {
  readonly #router: LabNode;

  private constructor(router: LabNode) {
    this.#router = router;
  }

  /** Begins to translate; mappings get ports of that range. */
  static async create(router: LabNode, ports: string): Promise<TrackingNat> {
    const nat = new TrackingNat(router);
    await nat.#rule('-A', ports);
    return nat;
  }

  /** Forgets every mapping, as a router does that restarts; new ones get ports of another range. */
  async remap(ports: string): Promise<void> {
    // The new rule first: without any the kernel tracks and translates nothing.
    await this.#rule('-I', ports);
    await forgetConnections(this.#router);
  }

  async #rule(how: '-A' | '-I', ports: string): Promise<void> {
    const rule = ['-o', outsideDevice, '-p', 'udp', '-j', 'SNAT', '--to-source', `${places.public}:${ports}`];
    await this.#router.succeed(['iptables-legacy', '-w', '-t', 'nat', how, 'POSTROUTING', ...rule]);
  }
}

/** Empties the connection table of the router's own namespace. */
async function forgetConnections(router: LabNode): Promise<void> {
  await succeed(['modprobe', 'nf_conntrack_netlink']);
  const opened = inNetworkNamespace(`/run/netns/${router.namespace}`, () => openNetlinkSocket(NETLINK_NETFILTER, []));
  if (!opened.ok) throw new Error(opened.error.message);
  if (!opened.value.ok) throw new Error(opened.value.error.message);
  const connection = new NetlinkConnection(opened.value.value, errnoName);
  const outcome = connection.request(DELETE_CONNECTIONS, Uint8Array.of(AF_INET, 0, 0, 0));
  connection.close();
  if (!outcome.ok) throw new Error(`the router keeps its mappings: ${outcome.error.errno} ${outcome.error.reason}`);
}

const NETLINK_NETFILTER = 12;
/** NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_DELETE; without attributes behind struct nfgenmsg it means all. */
const DELETE_CONNECTIONS = (1 << 8) | 2;
const AF_INET = 2;
