import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

import { OutgoingPackets } from '../../dataplane/xfrm/outgoing-packets.ts';
import { err, ok, type Result } from '../../result.ts';
import { ipFamily, withoutZone } from '../../wire/ip-address.ts';
import type { PlannedConnection } from '../config/agent-config.ts';
import { environmentFailure, type StartFailure } from '../start-failure.ts';
import { LeakCount } from './leak-count.ts';
import { readOutgoingPacket } from './outgoing-packet.ts';

/** What a watch has shown, in lines for people. */
export interface LeakWatch {
  readonly text: string;
  /** Nothing left in plaintext, nothing was missed, and something was encrypted towards each peer. */
  readonly isTight: boolean;
}

/**
 * Watches for so many seconds what leaves this node, and sends a small datagram to each peer's port 9 (RFC 863) twice a
 * second meanwhile: a wire on which nothing happens proves nothing.
 */
export async function watchLeaks(
  connections: readonly PlannedConnection[],
  seconds: number,
): Promise<Result<LeakWatch, StartFailure>> {
  const opened = OutgoingPackets.open();
  if (!opened.ok) {
    const { errno, message } = opened.error;
    const what = errno === 'EPERM' ? 'CAP_NET_RAW is missing: run as root' : message;
    return err(environmentFailure(`packets that leave cannot be watched: ${what}`));
  }
  const packets = opened.value;
  const count = new LeakCount(connections);
  const probes = new Probes(connections);
  let missed = 0;
  for (let round = 0; round < seconds * ROUNDS_PER_SECOND; round += 1) {
    if (round % (ROUNDS_PER_SECOND / 2) === 0) probes.send();
    await sleep(1_000 / ROUNDS_PER_SECOND);
    for (const bytes of packets.read()) {
      const packet = readOutgoingPacket(bytes);
      if (packet !== undefined) count.add(packet);
    }
    missed += packets.missed();
  }
  packets.close();
  probes.close();
  const lines = [...count.lines()];
  if (missed > 0) lines.push(`${missed} packets were too many to be looked at: nothing is proven of them`);
  if (!count.provesSomething) lines.push('nothing was encrypted towards some peer: nothing is proven of it');
  const isTight = !count.hasLeak && missed === 0 && count.provesSomething;
  lines.push(isTight ? `nothing left in plaintext in ${seconds} s` : 'not as it should be');
  return ok({ text: `${lines.join('\n')}\n`, isTight });
}

/** A socket of each family, and where it sends to. What the kernel refuses is what it blocks. */
class Probes {
  readonly #sockets = { 4: createSocket('udp4'), 6: createSocket('udp6') } as const;
  readonly #targets: readonly { readonly family: 4 | 6; readonly address: string }[];

  constructor(connections: readonly PlannedConnection[]) {
    this.#targets = connections.flatMap(({ remoteAddress }) =>
      remoteAddress === 'any' ? [] : [{ family: ipFamily(withoutZone(remoteAddress)), address: remoteAddress }],
    );
    for (const socket of Object.values(this.#sockets)) socket.on('error', () => {});
  }

  send(): void {
    for (const { family, address } of this.#targets)
      this.#sockets[family].send('ikemesh', DISCARD_PORT, address, () => {});
  }

  close(): void {
    for (const socket of Object.values(this.#sockets)) socket.close();
  }
}

const DISCARD_PORT = 9;
const ROUNDS_PER_SECOND = 20;
