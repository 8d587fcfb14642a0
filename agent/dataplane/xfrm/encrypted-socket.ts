import {
  closeDescriptor,
  type FileDescriptor,
  type ReadWatch,
  receiveFrom,
  type SystemError,
  sendTo,
  setSocketOption,
  watchReadable,
} from '../../native/libc.ts';
import { decodeSocketAddress, encodeSocketAddress } from '../../native/socket-address.ts';
import { openUdpSocket } from '../../native/udp-socket.ts';
import { ok, type Result } from '../../result.ts';
import { type IpAddress, ipAddressBytes, ipAddressFromBytes, ipFamily } from '../../wire/ip-address.ts';
import type { IpsecMode } from '../types.ts';
import { familyOf } from './address.ts';
import { encodeSocketPolicy } from './policy-codec.ts';

/** Where a datagram came from. */
export interface DatagramSource {
  readonly address: IpAddress;
  readonly port: number;
}

/**
 * A UDP socket that receives nothing but what has come through an ESP SA: the kernel drops everything else that is for it. So
 * whatever is received here was encrypted on the wire. What it sends goes as the policies of the host say.
 */
export class EncryptedSocket {
  readonly #fd: FileDescriptor;
  #watch: ReadWatch | undefined;

  private constructor(fd: FileDescriptor) {
    this.#fd = fd;
  }

  /** Needs CAP_NET_ADMIN. */
  static open(address: IpAddress, port: number, mode: IpsecMode): Result<EncryptedSocket, SystemError> {
    const opened = openUdpSocket({ local: { address: ipAddressBytes(address), port }, espInUdp: false });
    if (!opened.ok) return opened;
    const fd = opened.value;
    const [level, option] = ipFamily(address) === 4 ? [IPPROTO_IP, IP_XFRM_POLICY] : [IPPROTO_IPV6, IPV6_XFRM_POLICY];
    const limited = setSocketOption(fd, level, option, encodeSocketPolicy(familyOf(address), mode));
    if (!limited.ok) {
      closeDescriptor(fd);
      return limited;
    }
    const socket = new EncryptedSocket(fd);
    // What came before the policy was in force proves nothing.
    socket.#receiveAll(() => {});
    return ok(socket);
  }

  /** Calls back with each datagram that is received; very long ones are cut off. */
  onDatagram(receive: (from: DatagramSource, bytes: Uint8Array) => void): void {
    this.#watch = watchReadable(this.#fd, () => this.#receiveAll(receive));
  }

  /** Sends a datagram; the error is why the kernel would not. */
  send(to: DatagramSource, bytes: Uint8Array): Result<void, SystemError> {
    return sendTo(this.#fd, bytes, encodeSocketAddress({ address: ipAddressBytes(to.address), port: to.port }));
  }

  close(): void {
    this.#watch?.close();
    closeDescriptor(this.#fd);
  }

  #receiveAll(receive: (from: DatagramSource, bytes: Uint8Array) => void): void {
    for (let count = 0; count < MOST_AT_ONCE; count += 1) {
      const received = receiveFrom(this.#fd, buffer);
      if (!received.ok || received.value === undefined) return;
      const { length, sender } = received.value;
      const from = decodeSocketAddress(sender);
      if (from === undefined) continue;
      receive(
        { address: ipAddressFromBytes(from.address), port: from.port },
        buffer.slice(0, Math.min(length, buffer.length)),
      );
    }
  }
}

const buffer = new Uint8Array(2_048);
/** Then the event loop goes on: whatever else there is comes with the next call. */
const MOST_AT_ONCE = 1_024;
// linux/in.h, linux/in6.h
const IPPROTO_IP = 0;
const IP_XFRM_POLICY = 17;
const IPPROTO_IPV6 = 41;
const IPV6_XFRM_POLICY = 35;
