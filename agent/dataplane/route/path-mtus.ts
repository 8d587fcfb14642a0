import { errnoName, type SystemError } from '../../native/libc.ts';
import { ok, type Result } from '../../result.ts';
import { type IpAddress, ipAddressBytes, ipFamily, withoutZone } from '../../wire/ip-address.ts';
import { type Attribute, decodeAttributes, encodeWithAttributes } from '../netlink/attributes.ts';
import { NetlinkConnection } from '../netlink/connection.ts';
import { hostUint32, hostView } from '../netlink/host-order.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import { openNetlinkSocket } from '../netlink/socket.ts';

/** How long packets to an address may be. */
export interface PathMtu {
  /** Of the interface by which they leave. */
  readonly link: number;
  /** What the kernel knows of the way: that of the interface, unless the route or a router on the way says less. */
  readonly path: number;
}

/** Asks the kernel's routes, which whoever runs may do. */
export class PathMtus {
  readonly #connection: NetlinkConnection;

  private constructor(connection: NetlinkConnection) {
    this.#connection = connection;
  }

  static open(): Result<PathMtus, SystemError> {
    const socket = openNetlinkSocket(NETLINK_ROUTE, []);
    return socket.ok ? ok(new PathMtus(new NetlinkConnection(socket.value, errnoName))) : socket;
  }

  /** Of packets between two addresses; undefined where there is no route. IPsec makes no difference to it. */
  between(local: IpAddress, remote: IpAddress): PathMtu | undefined {
    const route = this.#connection.query(
      RTM_GETROUTE,
      routeRequest(withoutZone(local), withoutZone(remote)),
      readRoute,
    );
    if (!route.ok || route.value === undefined) return undefined;
    const { interfaceIndex, mtu } = route.value;
    const link = this.#connection.query(RTM_GETLINK, linkRequest(interfaceIndex), readLink);
    if (!link.ok || link.value === undefined) return undefined;
    return { link: link.value, path: mtu === undefined ? link.value : Math.min(mtu, link.value) };
  }

  close(): void {
    this.#connection.close();
  }
}

/** struct rtmsg: family 0, dst_len 1, src_len 2, tos 3, table 4, protocol 5, scope 6, type 7, flags 8. */
function routeRequest(local: IpAddress, remote: IpAddress): Uint8Array {
  const [source, destination] = [ipAddressBytes(local), ipAddressBytes(remote)];
  const head = new Uint8Array(RTMSG_BYTES);
  head[0] = ipFamily(remote) === 4 ? AF_INET : AF_INET6;
  head[1] = 8 * destination.length;
  head[2] = 8 * source.length;
  const attributes: readonly Attribute[] = [
    { type: RTA_DST, value: destination },
    { type: RTA_SRC, value: source },
  ];
  return encodeWithAttributes(head, attributes);
}

function readRoute({ type, body }: NetlinkMessage): { interfaceIndex: number; mtu: number | undefined } | undefined {
  if (type !== RTM_NEWROUTE || body.length < RTMSG_BYTES) return undefined;
  const attributes = decodeAttributes(body.subarray(RTMSG_BYTES));
  const interfaceIndex = hostUint32(attributes.get(RTA_OIF) ?? NOTHING);
  const metrics = decodeAttributes(attributes.get(RTA_METRICS) ?? NOTHING);
  const mtu = hostUint32(metrics.get(RTAX_MTU) ?? NOTHING);
  return interfaceIndex === undefined ? undefined : { interfaceIndex, mtu };
}

/** struct ifinfomsg: family 0, type 2, index 4, flags 8, change 12. */
function linkRequest(index: number): Uint8Array {
  const head = new Uint8Array(IFINFOMSG_BYTES);
  hostView(head).setUint32(4, index);
  return head;
}

function readLink({ type, body }: NetlinkMessage): number | undefined {
  if (type !== RTM_NEWLINK || body.length < IFINFOMSG_BYTES) return undefined;
  return hostUint32(decodeAttributes(body.subarray(IFINFOMSG_BYTES)).get(IFLA_MTU) ?? NOTHING);
}

const NOTHING = new Uint8Array();
// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h
const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTMSG_BYTES = 12;
const IFINFOMSG_BYTES = 16;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_METRICS = 8;
const RTAX_MTU = 2;
const IFLA_MTU = 4;
const AF_INET = 2;
const AF_INET6 = 10;
