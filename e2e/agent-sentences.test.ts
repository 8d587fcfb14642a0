import { describe, expect, it } from 'vitest';

import { opensslProvider } from '../agent/crypto/openssl/openssl-provider.ts';
import { SecretBytes } from '../agent/crypto/secret.ts';
import { ip } from '../agent/dataplane/testing/builders.ts';
import { byPreSharedKey } from '../agent/ike/negotiation/authentication.ts';
import { parseProposal } from '../agent/ike/negotiation/proposal-syntax.ts';
import type { VerificationJob } from '../agent/ike/types.ts';
import { TEST_TIME, TestAuthority } from '../agent/pki/testing/authority.ts';
import type { Agent } from '../agent/runtime/agent.ts';
import type { AgentConfig, PlannedConnection } from '../agent/runtime/config/agent-config.ts';
import { TestHost, TestWorld, testConfig } from '../agent/runtime/testing/agents.ts';
import { jobFor, trustIn } from '../agent/runtime/testing/verification.ts';
import { CertificateVerifier } from '../agent/runtime/verifier.ts';
import { IdType } from '../agent/wire/registry.ts';
import { type AgentPeer, agentReport } from '../operator/cli/diagnosis/agent-report.ts';
import { diagnosePair } from '../operator/cli/diagnosis/diagnose.ts';
import type { Facts } from '../operator/cli/diagnosis/facts.ts';
import { healthyFacts, withConnection } from '../operator/cli/testing/healthy-facts.ts';

/*
 * The plugin tells causes apart by what agents say of them. Here real agents meet real faults, and the plugin is told
 * their very words: a sentence that is changed on one side only is a cause that nobody names any more.
 */

const NODE = 'node-1';
const PEER = 'node-2';
const ADDRESSES = { [NODE]: '192.168.0.1', [PEER]: '192.168.0.2' } as const;

describe('why, told the words of real agents', () => {
  it.each<readonly [what: string, code: string, change: (healthy: PlannedConnection) => Partial<PlannedConnection>]>([
    ['pre-shared keys that differ', 'KeysDiffer', () => byPreSharedKey(secret('another key'))],
    [
      'IKE proposals that differ',
      'ProposalsDiffer',
      () => ({ proposals: [proposal('ike', 'aes128-sha256-modp3072')] }),
    ],
    ['ESP proposals that differ', 'EspProposalsDiffer', child({ proposals: [proposal('esp', 'aes192-sha1')] })],
    ['modes that differ', 'ModesDiffer', child({ mode: 'tunnel' })],
    ['traffic that differs', 'SelectorsDiffer', child({ local: [ELSEWHERE] })],
    ['a peer that says it is somebody else', 'KeysOrIdentitiesDiffer', () => ({ localIdentity: fqdn('node-9') })],
  ])('names %s', (_, code, change) => {
    const world = new TestWorld();
    const node = started(world, NODE, testConfig(opensslProvider, NODE, ADDRESSES[NODE], { [PEER]: ADDRESSES[PEER] }));
    const healthy = testConfig(opensslProvider, PEER, ADDRESSES[PEER], { [NODE]: ADDRESSES[NODE] });
    const connections = healthy.connections.map((each) => ({ ...each, ...change(each) }));
    const peer = started(world, PEER, { ...healthy, connections });
    world.pass(20_000);
    expect(codeOf(node, peer)).toBe(code);
  });

  it('names a peer that does not answer, and one that has stopped', () => {
    const world = new TestWorld();
    const config = testConfig(opensslProvider, NODE, ADDRESSES[NODE], { [PEER]: ADDRESSES[PEER] });
    const node = started(world, NODE, config);
    world.pass(120_000);
    expect(codeOf(node, undefined)).toBe('UdpBlocked');
    const peer = started(world, PEER, testConfig(opensslProvider, PEER, ADDRESSES[PEER], { [NODE]: ADDRESSES[NODE] }));
    world.pass(120_000);
    expect(node.status().peers.map(({ state }) => state)).toEqual(['encrypting']);
    peer.stop();
    while (node.status().peers[0]?.state === 'encrypting') world.pass(1_000);
    expect(codeOf(node, undefined)).toBe('PeerSilent');
  });
});

describe('why, told what real agents find in certificates', () => {
  const root = TestAuthority.root();
  const name = 'node-a.mesh.test';
  const expired = { notAfterMs: TEST_TIME - 1_000 };
  it.each<readonly [what: string, code: string, job: VerificationJob]>([
    [
      'an authority that is not trusted',
      'AuthorityNotTrusted',
      jobFor(TestAuthority.root('Other').node(name), trustIn([root])),
    ],
    ['a certificate that has ended', 'CertificateTime', jobFor(root.node(name, expired), trustIn([root]))],
    [
      'a certificate that was revoked',
      'CertificateRevoked',
      jobFor(root.node(name, { serial: 7n }), trustIn([root], { revocationLists: [root.revocationList([7n])] })),
    ],
    ['a certificate of another node', 'IdentityDiffers', jobFor(root.node('node-b.mesh.test'), trustIn([root]))],
  ])('names %s', (_, code, job) => {
    const outcome = new CertificateVerifier({ wallMs: () => TEST_TIME }).check(job);
    const text = outcome.ok ? '' : outcome.error.reason;
    const facts = withConnection(healthyFacts(), NODE, `${PEER}-ipv4`, (healthy) => {
      return { ...healthy, state: 'down', ikeSas: [], lastFailure: { secondsAgo: 1, text } };
    });
    expect([firstWrong(facts), text]).toEqual([code, expect.stringMatching(/./)]);
  });
});

function started(world: TestWorld, node: string, config: AgentConfig): Agent {
  const agent = new TestHost(world, opensslProvider).start(config);
  if (!agent.ok) throw new Error(`${node}: ${agent.error.text}`);
  return agent.value;
}

/** What the plugin makes of it where both agents were asked, or one only. */
function codeOf(node: Agent, peer: Agent | undefined): string | undefined {
  const one = withConnection(healthyFacts(), NODE, `${PEER}-ipv4`, (healthy) => told(node, healthy));
  const both = withConnection(one, PEER, `${NODE}-ipv4`, (healthy) => {
    return peer === undefined ? { ...healthy, state: 'down', ikeSas: [] } : told(peer, healthy);
  });
  return firstWrong(both);
}

function firstWrong(facts: Facts): string | undefined {
  return diagnosePair(facts, NODE, PEER).steps.find((step) => step.state === 'wrong')?.code;
}

/** What the agent says of its only peer, as the plugin reads it. */
function told(agent: Agent, { name }: AgentPeer): AgentPeer {
  const [peer] = agentReport.parse(JSON.parse(JSON.stringify(agent.status()))).peers;
  if (peer === undefined) throw new Error('the agent has no peer');
  return { ...peer, name };
}

function secret(text: string): SecretBytes {
  return new SecretBytes(new TextEncoder().encode(text));
}

function proposal(protocol: 'ike' | 'esp', text: string) {
  const parsed = parseProposal(protocol, text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function fqdn(name: string) {
  return { idType: IdType.ID_FQDN, data: new TextEncoder().encode(name) };
}

function child(fields: Partial<PlannedConnection['children'][number]>) {
  return ({ children }: PlannedConnection) => ({ children: children.map((each) => ({ ...each, ...fields })) });
}

const ELSEWHERE = { protocol: 0, fromPort: 0, toPort: 65_535, prefix: { address: ip('10.9.0.0'), length: 16 } };
