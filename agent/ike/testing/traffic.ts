import type { EspPacket } from '../../dataplane/memory/packet.ts';
import type { Pair, Side } from './pair.ts';

/** What becomes of ESP on its way from that side; undefined: it is lost. */
export type Way = (from: Side, esp: EspPacket) => EspPacket | undefined;

/** Both sides send, where they may, and look at their kernels every two seconds, as the runtime does. */
export function live(
  pair: Pair,
  seconds: number,
  way: Way = (_, esp) => esp,
  senders: readonly Side[] = sidesOf(pair),
): void {
  for (let passed = 0; passed < seconds; passed += 2) {
    for (const from of senders) for (let count = 0; count < 4; count += 1) send(pair, from, way);
    pair.advance(2_000);
    for (const side of sidesOf(pair)) survey(pair, side);
    pair.settle();
  }
}

/** A side looks at its kernel. */
export function survey(pair: Pair, side: Side): void {
  const dumped = side.kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  pair.handle(side, { kind: 'kernel', event: { kind: 'survey', snapshot: dumped.value } });
}

function send(pair: Pair, from: Side, way: Way): void {
  const to = pair.other(from);
  const ports = { protocol: 17, sourcePort: 4_000, destinationPort: 5_000, payloadBytes: 100 };
  const fate = from.kernel.outbound({ kind: 'plain', source: from.address, destination: to.address, ...ports });
  if (fate.kind !== 'esp') return;
  const esp = way(from, fate.packet);
  if (esp !== undefined) to.kernel.inbound(esp);
}

function sidesOf({ left, right }: Pair): readonly Side[] {
  return [left, right];
}
