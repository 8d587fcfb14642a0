import { describe, expect, it } from 'vitest';

import type { UnresolvedPeer } from '../config/agent-config.ts';
import type { PeerReport } from './report.ts';
import { withUnresolved } from './unresolved-peers.ts';

const peer: PeerReport = {
  name: 'office',
  state: 'down',
  reason: 'NotEstablished',
  message: 'there is no IKE SA',
  localAddress: '192.0.2.1',
  remoteAddress: 'any',
  localIdentity: 'fqdn here',
  remoteIdentity: 'fqdn there',
  ikeSas: [],
};
const unresolved = (name: string, isOpen: boolean): UnresolvedPeer => ({
  name,
  host: `${name}.example`,
  fault: { path: ['peers', 0, 'address'], text: `${name}.example does not resolve (ENOTFOUND)` },
  isOpen,
});

describe('a peer whose host name does not resolve', () => {
  it('is down for that reason, and not one of any address that has not called', () => {
    expect(withUnresolved([peer], [unresolved('office', false)])).toEqual([
      {
        ...peer,
        remoteAddress: 'office.example',
        reason: 'NameUnresolved',
        message: 'office.example does not resolve (ENOTFOUND)',
      },
    ]);
  });

  it('is there, too, where nothing could stand in for it, with what that means for its traffic', () => {
    const [, found] = withUnresolved([peer], [unresolved('branch', true)]);
    expect(found).toMatchObject({
      name: 'branch',
      state: 'down',
      reason: 'NameUnresolved',
      message: 'branch.example does not resolve (ENOTFOUND); until then traffic with it passes in plaintext',
    });
  });

  it('that has called is as any other', () => {
    const called = { ...peer, state: 'encrypting', reason: 'Proven' } as const;
    expect(withUnresolved([called], [unresolved('office', false)])).toEqual([called]);
  });
});
