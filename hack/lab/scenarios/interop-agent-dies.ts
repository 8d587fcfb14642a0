import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'agent-dies',
  description:
    'our agent ends by SIGKILL, the peer finds it dead and forgets it; the next agent comes up with it again',
  timeoutMs: 90_000,
  settings: {
    strongswan: {
      connection: { dpd_delay: '1s' },
      charon: { retransmit_tries: 2, retransmit_timeout: 0.5, retransmit_base: 1 },
    },
    libreswan: { connection: { dpddelay: 1, 'retransmit-timeout': '2s' } },
  },
  run: async (link) => {
    await link.connect();
    await link.exchange();
    link.lab.step('our agent dies');
    await link.agent.kill();
    await link.theyHaveNothing();
    await link.startAgent();
    if (link.role === 'responder') await link.establish();
    await link.encrypting();
    await link.exchange();
    await link.expectSaCount(2);
    await link.close();
  },
});
