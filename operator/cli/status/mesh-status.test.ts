import { describe, expect, it } from 'vitest';

import { agentPod, healthyFacts, withConfig, withList } from '../testing/healthy-facts.ts';
import { meshStatus } from './mesh-status.ts';

describe('status', () => {
  it('names the node because of which a peering is not Ready', () => {
    const facts = withConfig(healthyFacts(), 'node-2', (config) => ({
      ...config,
      status: {
        ...config.status,
        peerings: config.status?.peerings?.map((each) => ({ ...each, mssClampFailure: 'it lacks nf_tables' })),
      },
    }));
    const [worst, ...others] = meshStatus(facts).nodes;
    expect(worst).toMatchObject({
      name: 'node-2',
      state: 'Wrong',
      message: expect.stringMatching(/^SegmentsNotClamped/),
    });
    expect(others.map(({ state }) => state)).toEqual(['Encrypting', 'Encrypting']);
  });

  it('names the node whose update is stuck while its old agent goes on', () => {
    const trouble = 'CrashLoopBackOff in container agent: it ended with 2 (Error)';
    const fields = { name: 'agent-new', uid: 'new', ready: false, createdAtMs: 1, trouble };
    const facts = withList(healthyFacts(), 'pods', (pods) => [...pods, agentPod('node-3', fields)]);
    const [worst] = meshStatus(facts).nodes;
    expect(worst).toMatchObject({ name: 'node-3', state: 'Wrong', message: expect.stringMatching(/^UpdateStuck/) });
  });

  it('does not call a peering Ready while no operator would notice that it is not', () => {
    const facts = withList(healthyFacts(), 'pods', (pods) =>
      pods.map((pod) => (pod.component === 'operator' ? { ...pod, ready: false } : pod)),
    );
    const { peerings, nodes } = meshStatus(facts);
    expect(new Set(peerings.map(({ ready }) => ready))).toEqual(new Set(['Unknown']));
    expect(peerings[0]?.message).toMatch(/^no operator is ready, this is from before: Ready: /);
    expect(new Set(nodes.map(({ state }) => state))).toEqual(new Set(['Encrypting']));
  });

  it('does not call a peering Ready that was changed since the operator looked at it', () => {
    const facts = withList(healthyFacts(), 'peerings', (peerings) =>
      peerings.map((peering) => ({
        ...peering,
        metadata: { ...peering.metadata, generation: 2 },
        status: {
          ...peering.status,
          conditions: peering.status?.conditions?.map((each) => ({
            ...each,
            observedGeneration: peering.metadata.name === 'cluster' ? 1 : 2,
          })),
        },
      })),
    );
    expect(meshStatus(facts).peerings.map(({ name, ready, message }) => ({ name, ready, message }))).toEqual([
      { name: 'cluster', ready: 'Unknown', message: 'the operator has not looked at generation 2 yet' },
      { name: 'office', ready: 'True', message: expect.stringMatching(/^Ready: /) },
    ]);
  });
});
