import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'no-esp-proposal',
  description: 'no ESP proposal in common: the IKE SA stands, the failure is told, nothing passes',
  settings: { esp: { ours: 'aes128gcm16', theirs: 'aes256gcm16' } },
  run: async (link) => {
    await link.startDaemon();
    await link.startAgent();
    if (link.role === 'initiator') {
      const text = 'accepts none of our ESP proposals for Child data, or not its mode: set both';
      await link.expectFailure(`${link.kind} ${text}`);
    } else {
      await link.daemon.initiate({ child: 'data' });
      await link.expectFailure(`no common ESP algorithms with ${link.kind} for Child data: give both sides a proposal`);
    }
    await link.peerUntil('the IKE SA to stand by itself', ({ state }) => state === 'established');
    await link.expectBlocked();
    await link.close({ blocked: 'always' });
  },
});
