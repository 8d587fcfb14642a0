import assert from 'node:assert/strict';

import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'delete',
  description: 'the peer deletes the Child SA, then the IKE SA; whoever is to begin brings it back each time',
  run: async (link) => {
    await link.connect();
    await link.exchange();
    for (const what of ['child', 'ike'] as const) {
      const [before] = (await link.peer()).ikeSas;
      link.lab.step(what === 'child' ? 'the peer deletes the Child SA' : 'the peer deletes the IKE SA');
      const { name } = await link.theirIkeSa();
      const ended = await link.daemon.terminate(what === 'child' ? { child: 'data' } : { ike: name });
      assert.equal(ended.code, 0, ended.stderr);
      if (link.role === 'responder') await link.establish();
      const peer = await link.encrypting();
      const [after] = peer.ikeSas;
      assert.equal(peer.ikeSas.length, 1);
      assert.equal(after?.number === before?.number, what === 'child', 'the same IKE SA, unless that was deleted');
      assert.notEqual(after?.children[0]?.inbound.spi, before?.children[0]?.inbound.spi);
      await link.exchange();
    }
    await link.expectSaCount(2);
    await link.close();
  },
});
