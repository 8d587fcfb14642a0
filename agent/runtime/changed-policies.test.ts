import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import type { PolicySpec } from '../dataplane/types.ts';
import type { Agent } from './agent.ts';
import { isBypass } from './bypass.ts';
import { TestHost, TestWorld, testConfig } from './testing/agents.ts';

const A = '10.78.0.1';
const B = '10.78.0.2';

/** An agent that is to encrypt with a peer, who is there or is not. */
function agentWith(peerIsThere: boolean, change: (host: TestHost, policy: PolicySpec) => void) {
  const world = new TestWorld();
  const host = new TestHost(world, opensslProvider);
  const agent = start(host, testConfig(opensslProvider, 'node-a', A, { 'node-b': B }));
  if (peerIsThere)
    start(new TestHost(world, opensslProvider), testConfig(opensslProvider, 'node-b', B, { 'node-a': A }));
  world.pass(1_000);
  const outbound = outboundPolicy(host);
  if (outbound === undefined) throw new Error('nothing is enforced');
  change(host, outbound);
  return { peer: () => agent.status().peers[0], world, host };
}

function start(host: TestHost, config: Parameters<TestHost['start']>[0]): Agent {
  const agent = host.start(config);
  if (!agent.ok) throw new Error(agent.error.text);
  return agent.value;
}

function outboundPolicy(host: TestHost): PolicySpec | undefined {
  const dumped = host.kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  return dumped.value.policies.find((policy) => !isBypass(policy) && policy.direction === 'out');
}

/** As `ip xfrm policy update` does. */
function letPass({ kernel }: TestHost, { template: _, ...policy }: PolicySpec): void {
  kernel.execute({ kind: 'putPolicy', policy: { ...policy, action: 'allow' } });
}

const LACKING = /not in the kernel as ordered: out policy 10\.78\.0\.1\/32 to 10\.78\.0\.2\/32/;

describe('a Required policy that somebody has changed', () => {
  it('is told of, where there are SAs', () => {
    const { peer } = agentWith(true, letPass);
    expect(peer()).toMatchObject({ state: 'established', reason: 'PolicyMissing' });
    expect(peer()?.message).toMatch(LACKING);
    expect(peer()?.missingPolicies).toHaveLength(1);
  });

  it('is told of, where there are none and plaintext leaves', () => {
    const { peer } = agentWith(false, letPass);
    expect(peer()).toMatchObject({ state: 'connecting', reason: 'Connecting' });
    expect(peer()?.message).toMatch(LACKING);
    expect(peer()?.missingPolicies).toHaveLength(1);
  });

  it('stays so, since whoever administers the host may want it, where one that was removed comes back', () => {
    const { peer, world, host } = agentWith(true, letPass);
    world.pass(15_000);
    expect(outboundPolicy(host)?.action).toBe('allow');
    expect(outboundPolicy(host)?.template).toBeUndefined();
    expect(peer()?.missingPolicies).toHaveLength(1);
    host.kernel.kernel.deletePolicy(outboundPolicy(host) as PolicySpec);
    world.pass(2_500);
    expect(outboundPolicy(host)?.template?.level).toBe('required');
    expect(peer()).toMatchObject({ state: 'encrypting' });
    expect(peer()?.missingPolicies).toBeUndefined();
  });
});
