import { describe, expect, it } from 'vitest';

import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { connectionConfig, Pair } from '../testing/pair.ts';
import { calling, notifyTypes, parsed, ScriptedPeer, waiting } from '../testing/scripted-peer.ts';
import { VENDOR_ID } from './vendor-id.ts';

const LIVENESS = { intervalMs: 1_000, timeoutMs: 2_000 };

/** Up to an established IKE SA with a Child SA, by a peer that says more in IKE_SA_INIT; gives the answer to IKE_AUTH. */
function establish(peer: ScriptedPeer, more: readonly Payload[]): readonly Payload[] {
  peer.send(peer.initRequest([peer.sa, peer.ke, peer.ni, ...more]));
  peer.takeInitResponse(peer.take());
  peer.send(peer.request(ExchangeType.IKE_AUTH, [...peer.proof(), ...peer.child()]));
  return peer.open(peer.take());
}

/** The answer to IKE_AUTH of a subject that has restarted, its SAs in the kernel. */
function afterRestart(more: readonly Payload[]): readonly Payload[] {
  const pair = new Pair();
  establish(waiting({}, {}, pair), more);
  const dumped = pair.left.kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  pair.restarted(pair.left, 55);
  const connections = [connectionConfig(pair.left, pair.right, { initiation: 'respond' })];
  pair.command(pair.left, { kind: 'start', connections, snapshot: dumped.value });
  const again = new ScriptedPeer(pair);
  again.espSpi += 1;
  return establish(again, more);
}

describe('a peer', () => {
  it('hears from both roles that we are an agent', () => {
    expect(parsed(calling().take()).payloads).toContainEqual(VENDOR_ID);
    const peer = waiting();
    peer.send(peer.initRequest());
    expect(parsed(peer.take()).payloads).toContainEqual(VENDOR_ID);
  });

  it('that is no agent and stops answering takes its SAs along: nothing is left, and nothing passes in plaintext', () => {
    const peer = waiting({ liveness: LIVENESS });
    establish(peer, [{ kind: 'vendor', data: new Uint8Array(16) }]);
    expect(peer.pair.sas(peer.subject)).toHaveLength(2);
    peer.pair.advance(75_000);
    expect(peer.pair.sas(peer.subject)).toEqual([]);
    expect(peer.pair.packet(peer.subject)).toBe('blocked');
  });

  it('that is an agent and stops answering may have left its SAs in its kernel: they stay', () => {
    const peer = waiting({ liveness: LIVENESS });
    establish(peer, [VENDOR_ID]);
    peer.pair.advance(75_000);
    expect(peer.pair.status(peer.subject).ikeSas).toEqual([]);
    expect(peer.pair.sas(peer.subject)).toHaveLength(2);
  });

  it.each([
    ['that is no agent', []],
    ['that is an agent', [VENDOR_ID]],
  ] as const)(
    '%s hears no INITIAL_CONTACT while SAs of an earlier run are in use: it would remove its own at once',
    (_, more) => {
      expect(notifyTypes(establish(waiting(), more))).toContain(NotifyType.INITIAL_CONTACT);
      expect(notifyTypes(afterRestart(more))).not.toContain(NotifyType.INITIAL_CONTACT);
    },
  );

  it('hears of our run and our boot if it is an agent, and nobody else does', () => {
    expect(notifyTypes(establish(waiting(), [VENDOR_ID]))).toContain(NotifyType.AGENT_INSTANCE);
    expect(notifyTypes(establish(waiting(), []))).not.toContain(NotifyType.AGENT_INSTANCE);
  });
});
