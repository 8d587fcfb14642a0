import { describe, expect, it } from 'vitest';

import type { IpsecNodeConfig, NodePeeringStatus } from '../../api/ipsec-node-config.ts';
import {
  agentPod,
  healthyFacts,
  withAgent,
  withConfig,
  withConnection,
  withHost,
  withList,
} from '../testing/healthy-facts.ts';
import type { AgentPeer } from './agent-report.ts';
import { type Diagnosis, diagnose, diagnosePair } from './diagnose.ts';
import type { CertificateFact, Facts, WorkloadFact } from './facts.ts';
import type { Stage } from './finding.ts';
import { known, unknown } from './known.ts';

const NODE = 'node-1';
const PEER = 'node-2';

describe('why, of a mesh in which everything works', () => {
  it('finds nothing wrong at any stage, with each peer and the gateway', () => {
    const facts = healthyFacts();
    for (const peer of [PEER, 'node-3', 'office']) {
      const { verdict, steps } = diagnosePair(facts, NODE, peer);
      expect(steps.filter(({ state }) => state === 'wrong')).toEqual([]);
      // Nobody can ask a gateway.
      expect([peer, verdict]).toEqual([peer, 'healthy']);
    }
    expect(diagnose(facts, NODE).first.verdict).toBe('healthy');
  });
});

/** A fault as it is put into a healthy mesh; what must be said of it. */
type Fault = readonly [
  name: string,
  inject: (facts: Facts) => Facts,
  stage: Stage,
  code: string,
  cause: RegExp,
  remedy: RegExp,
  /** Null where it is told of the node alone, and of no pair. */
  peer?: string | null,
];

const deployment: WorkloadFact = {
  kind: 'Deployment',
  name: 'ikemesh-operator',
  namespace: 'ikemesh',
  component: 'operator',
  wanted: 2,
  ready: 2,
  args: [],
  nodeSelector: {},
  version: '0.1.0',
};

const faults: readonly Fault[] = [
  ...(['EnforcementHeld', 'ServersNotExempt'] as const).map(
    (reason): Fault => [
      `the peering has more servers than can be exempt (${reason})`,
      (facts) => withHeld(facts, reason, 'a node does not reach fd00::11/128: name networks that hold all of them'),
      'policy',
      reason,
      /^IPsecPeering cluster: a node does not reach fd00::11/,
      /^name networks that hold all of them$/,
      null,
    ],
  ),
  [
    'the API server does not take what tells nodes who their peers are',
    (facts) => withHeld(facts, 'WritesRefused', 'it refuses the IPsecPeerSlice cluster-0 (quota): see to the quota'),
    'configuration',
    'WritesRefused',
    /refuses the IPsecPeerSlice cluster-0/,
    /^see to the quota$/,
    null,
  ],
  [
    'the host does not have the address of a peering',
    (facts) => withFault(facts, NODE, 'AddressMissing', 'the host does not have 192.168.0.1'),
    'configuration',
    'AddressMissing',
    /node-1 cannot carry out IPsecPeering .*192\.168\.0\.1/,
    /^give the host the address, or correct Node node-1$/,
  ],
  [
    'ikemesh is not installed',
    (facts) => ({ ...facts, installed: unknown('the API server', 'absent', 'it knows no kinds of ikemesh.io') }),
    'configuration',
    'NotInstalled',
    /knows no kinds/,
    /install the chart/,
  ],
  [
    'there is no peering',
    (facts) => withList(facts, 'peerings', () => []),
    'configuration',
    'NoPeerings',
    /no IPsecPeering/,
    /render/,
  ],
  [
    'there is no such node',
    (facts) => withList(facts, 'nodes', (nodes) => nodes.filter(({ object }) => object.metadata.name !== NODE)),
    'configuration',
    'NoSuchNode',
    /no Node node-1/,
    /node-2, node-3/,
  ],
  [
    'the peer is down',
    (facts) =>
      withNode(facts, PEER, (node) => ({ ...node, ready: 'Unknown', readyText: 'NodeStatusUnknown: Kubelet stopped' })),
    'configuration',
    'NodeDown',
    /node-2 is not Ready.*Kubelet stopped/,
    /describe node node-2/,
  ],
  [
    'no peering selects the node',
    (facts) =>
      withList(facts, 'peerings', (peerings) =>
        peerings.map((each) => ({
          ...each,
          spec: { ...each.spec, nodes: { ...each.spec.nodes, selector: { matchLabels: { pool: 'a' } } } },
        })),
      ),
    'configuration',
    'NodeNotSelected',
    /no IPsecPeering selects node-1/,
    /label node node-1/,
  ],
  [
    'the peering selects the node and not the peer',
    (facts) =>
      withNode(
        withList(facts, 'peerings', (peerings) =>
          peerings.map((each) => ({
            ...each,
            spec: { ...each.spec, nodes: { ...each.spec.nodes, selector: { matchLabels: { pool: 'a' } } } },
          })),
        ),
        NODE,
        (node) => ({
          ...node,
          object: { ...node.object, metadata: { ...node.object.metadata, labels: { pool: 'a' } } },
        }),
      ),
    'configuration',
    'NodeNotSelected',
    /selects node-2/,
    /label node node-2/,
  ],
  [
    'the peering is overlapped by another',
    (facts) =>
      withList(facts, 'peerings', (peerings) =>
        peerings.map((each) => ({
          ...each,
          status: {
            conditions: [
              {
                type: 'Accepted',
                status: 'False' as const,
                reason: 'Overlapped',
                lastTransitionTime: '2026-11-28T00:00:00Z',
                message: 'peering b is about all of the same traffic and wins: raise spec.priority here',
              },
            ],
          },
        })),
      ),
    'configuration',
    'Overlapped',
    /peering b is about all/,
    /raise spec.priority/,
  ],
  [
    'the peering with the gateway is refused, and another is accepted',
    (facts) => withRefused(facts, 'office'),
    'configuration',
    'PreSharedKeyUnusable',
    /IPsecPeering office is not accepted: Secret office-psk cannot be used/,
    /in the namespace of the nodes/,
    'office',
  ],
  [
    'the peering of both nodes is refused, and another of one of them is accepted',
    (facts) => withRefused(facts, 'cluster'),
    'configuration',
    'PreSharedKeyUnusable',
    /IPsecPeering cluster is not accepted/,
    /in the namespace of the nodes/,
  ],
  [
    'the agent does not know the gateway',
    (facts) =>
      withAgent(facts, NODE, (report) => ({
        ...report,
        peers: report.peers.filter(({ name }) => name !== 'gateway_office'),
      })),
    'IKE',
    'PeerNotKnown',
    /does not know vpn.example.com/,
    /^wait a minute; where it stays so, see the log of the agent of node-1$/,
    'office',
  ],
  [
    'two nodes claim one address',
    (facts) =>
      withNode(
        withNode(facts, PEER, (node) => ({ ...node, createdAtMs: 9 })),
        NODE,
        (node) => ({
          ...node,
          createdAtMs: 10_000,
          object: {
            ...node.object,
            metadata: { ...node.object.metadata, uid: 'another' },
            status: { ...node.object.status, addresses: [{ type: 'InternalIP', address: '192.168.0.2' }] },
          },
        }),
      ),
    'configuration',
    'AddressClaimed',
    /claims 192.168.0.2, which node node-2 had first/,
    /correct one of them/,
  ],
  [
    'another node had one of its networks first',
    (facts) =>
      withNode(
        withNode(facts, PEER, (node) => ({ ...node, createdAtMs: 9 })),
        NODE,
        (node) => {
          const addresses = ['192.168.0.1', 'fd00::2'].map((address) => ({ type: 'InternalIP', address }));
          return {
            ...node,
            createdAtMs: 10_000,
            object: { ...node.object, status: { ...node.object.status, addresses } },
          };
        },
      ),
    'policy',
    'AddressClaimed',
    /not all traffic of node-1 is encrypted.*takes part without fd00::2, which node node-2 had first/,
    /correct one of them/,
  ],
  [
    'a kernel cannot clamp TCP segments',
    (facts) =>
      withConfig(facts, NODE, (config) => ({
        ...config,
        status: {
          ...config.status,
          peerings: config.status?.peerings?.map((each) => ({ ...each, mssClampFailure: 'it lacks nf_tables' })),
        },
      })),
    'policy',
    'SegmentsNotClamped',
    /not clamped on node-1.*it lacks nf_tables/,
    /spec.mssClamp/,
    null,
  ],
  [
    'an agent has a reason of a later version for not being programmed',
    (facts) =>
      withProgrammed(facts, NODE, 'flow offload is not to be had: set spec.flowOffload to Disabled', 'NoOffload'),
    'policy',
    'NoOffload',
    /agent of node-1 has not carried out everything: flow offload/,
    /^set spec.flowOffload/,
    null,
  ],
  [
    'the agent runs and has not been Ready for over a minute',
    (facts) => withPod(facts, PEER, { ready: false, readinessSinceMs: facts.atMs - 61_000 }),
    'configuration',
    'AgentNotReady',
    /agent of node-2 runs, and its Pod ikemesh-agent-node-2 is not Ready since 2027-/,
    /logs ikemesh-agent-node-2/,
  ],
  [
    'the DaemonSet does not select the node',
    (facts) =>
      withList(facts, 'pods', (pods) =>
        pods.filter(({ nodeName, component }) => nodeName !== NODE || component !== 'agent'),
      ),
    'configuration',
    'AgentMissing',
    /no agent on node-1.*ikemesh-agent does not select it/,
    /agent.nodeSelector/,
  ],
  [
    'the agent’s image cannot be pulled',
    (facts) =>
      withPod(facts, PEER, {
        phase: 'Pending',
        ready: false,
        trouble: 'ImagePullBackOff in container agent: not found',
      }),
    'configuration',
    'ImageMissing',
    /node-2 does not run: ImagePullBackOff/,
    /image.repository/,
  ],
  [
    'the agent crashes again and again',
    (facts) =>
      withPod(facts, NODE, {
        ready: false,
        trouble: 'CrashLoopBackOff in container agent: back-off; it ended with 1 (Error)',
      }),
    'configuration',
    'AgentCrashes',
    /CrashLoopBackOff/,
    /logs ikemesh-agent-node-1 --container agent --previous/,
  ],
  [
    'the operator does not run and a new node is told nothing',
    (facts) =>
      withList(
        withList(facts, 'pods', (pods) => pods.filter(({ component }) => component !== 'operator')),
        'configs',
        (configs) => configs.filter(({ metadata }) => metadata.name !== NODE),
      ),
    'configuration',
    'OperatorDown',
    /written no IPsecNodeConfig for node-1, because no operator is ready/,
    /describe deployment/,
  ],
  [
    'the operator is scaled to none, and nothing has changed since',
    (facts) =>
      withList(
        withList(facts, 'pods', (pods) => pods.filter(({ component }) => component !== 'operator')),
        'workloads',
        (workloads) => [...workloads, { ...deployment, wanted: 0, ready: 0 }],
      ),
    'path',
    'OperatorDown',
    /^no operator is ready, for its Deployment ikemesh-operator is scaled to none: tunnels .* go on/,
    /^kubectl --namespace ikemesh scale deployment ikemesh-operator --replicas=2$/,
  ],
  [
    'the peering was changed while no operator runs',
    (facts) =>
      changedSince(
        withList(facts, 'pods', (pods) => pods.filter(({ component }) => component !== 'operator')),
        'Accepted',
      ),
    'configuration',
    'OperatorDown',
    /has not looked at generation 2 of IPsecPeering cluster yet, because no operator is ready/,
    /describe deployment/,
  ],
  [
    'the peering was refused, was changed, and is not looked at',
    (facts) => changedSince(facts, 'Overlapped'),
    'configuration',
    'OperatorBehind',
    /has not looked at generation 2 of IPsecPeering cluster yet/,
    /^wait some seconds; .*logs deployment/,
  ],
  [
    'the API server does not take what the node is to be told',
    (facts) =>
      withConfig(withWritesRefused(facts), NODE, (config) => ({ ...config, spec: { ...config.spec, peerings: [] } })),
    'configuration',
    'WritesRefused',
    /refuses the IPsecNodeConfig of node-a .*no quota/,
    /^see to the quota$/,
  ],
  [
    'the node takes part in so many peerings that there is no room for one more',
    (facts) =>
      withConfig(facts, NODE, (config) => {
        const [entry] = config.spec.peerings;
        const peerings = Array.from({ length: 64 }, (_, index) => ({ ...entry, name: `office-${index}` }));
        return { ...config, spec: { ...config.spec, peerings: peerings as typeof config.spec.peerings } };
      }),
    'configuration',
    'TooManyPeerings',
    /has no room for IPsecPeering cluster: it takes part in 64 already/,
    /^narrow the spec.nodes.selector of one of them/,
  ],
  [
    'the status is that of an agent that is gone',
    (facts) =>
      withConfig(facts, NODE, (config) => ({
        ...config,
        status: { ...config.status, agent: { podUID: 'gone', bootID: 'boot' } },
      })),
    'configuration',
    'StatusOfAnotherPod',
    /written by an agent that is gone/,
    /logs ikemesh-agent-node-1/,
  ],
  [
    'the agent lags behind what it was told',
    (facts) => withConfig(facts, PEER, (config) => ({ ...config, metadata: { ...config.metadata, generation: 99 } })),
    'configuration',
    'AgentBehind',
    /node-2 does what it was told before/,
    /see its log/,
  ],
  [
    'another IKE daemon has port 500',
    (facts) =>
      withProgrammed(
        facts,
        NODE,
        'UDP port 500 of 192.168.0.1 is taken by another program: stop it (another agent, strongSwan, libreswan)',
      ),
    'configuration',
    'PortTaken',
    /UDP port 500 .* is taken/,
    /stop it/,
  ],
  [
    'the kernel has no ESP',
    (facts) =>
      withProgrammed(
        facts,
        NODE,
        'the kernel refused it with EPROTONOSUPPORT: this kernel lacks ESP or the algorithm; load the modules',
      ),
    'configuration',
    'KernelLacksEsp',
    /lacks ESP/,
    /esp4, esp6/,
  ],
  [
    'the agent may not use the kernel’s IPsec',
    (facts) =>
      withProgrammed(facts, PEER, 'the kernel refused it with EPERM: CAP_NET_ADMIN is missing; grant it to the agent'),
    'configuration',
    'RightsMissing',
    /CAP_NET_ADMIN is missing/,
    /admission policies/,
  ],
  [
    'the agent is older than the operator and cannot read the peering',
    (facts) => withFault(facts, NODE, 'PeeringUnreadable', 'traffic.scope must be Nodes or Pods'),
    'configuration',
    'PeeringUnreadable',
    /cannot carry out IPsecPeering cluster/,
    /upgrade the agents/,
  ],
  [
    'cert-manager is not installed',
    (facts) => ({
      ...withoutCertificate(facts, NODE),
      certificates: unknown('Certificates', 'absent', 'there is none here'),
    }),
    'certificate',
    'CertManagerMissing',
    /no certificate/,
    /install cert-manager/,
  ],
  [
    'the issuer does not exist',
    (facts) => ({
      ...withCertificate(withoutCertificate(facts, NODE), {
        ready: 'False',
        text: 'DoesNotExist: Issuing certificate as Secret does not exist',
      }),
      requests: known(
        new Map([[certificateOf(facts, NODE), 'Pending: Referenced "Issuer" not found: issuer "mesh-ca" not found']]),
      ),
    }),
    'certificate',
    'IssuerMissing',
    /has not issued the certificate of node-1.*not found/,
    /see to Issuer mesh-ca/,
  ],
  [
    'cert-manager cannot issue',
    (facts) =>
      withCertificate(withoutCertificate(facts, NODE), {
        ready: 'False',
        text: 'Failed: the CSR was denied by policy',
      }),
    'certificate',
    'CertificateNotIssued',
    /denied by policy/,
    /describe certificate/,
  ],
  [
    'the Secret of the key is not there',
    (facts) =>
      withFault(facts, PEER, 'CredentialsMissing', 'the Secret ike-x is not there: cert-manager has not issued yet'),
    'certificate',
    'CredentialsMissing',
    /node-2 cannot use the keys.*ike-x is not there/,
    /cert-manager/,
  ],
  [
    'key and certificate of the Secret do not fit',
    (facts) =>
      withFault(
        facts,
        NODE,
        'CredentialsHeldBack',
        'Secret ike-x: tls.key is not the key of the certificate in tls.crt',
      ),
    'certificate',
    'CredentialsHeldBack',
    /is not the key of the certificate/,
    /./,
  ],
  [
    'the certificate has ended',
    (facts) => withEnded(withCertificate(facts, { notAfter: ENDED })),
    'certificate',
    'CertificateEnded',
    /ended at 2026-01-01/,
    /does not renew/,
  ],
  [
    'the certificate has ended, and the agent does not use the one that was issued since',
    (facts) => withEnded(facts),
    'certificate',
    'CertificateNotUsed',
    /ended at 2026-01-01.*has issued another until 2100-01-01/,
    /^see whether the agent reaches the API server, and its log: .* logs ikemesh-agent-node-1/,
  ],
  [
    'UDP is blocked between the nodes',
    (facts) => down(facts, silent(PEER), 'node-1-ipv4', silent(NODE)),
    'IKE',
    'UdpBlocked',
    /node-2 gets no IKE message of node-1/,
    /UDP 500 and 4500 and IP protocol 50.*192.168.0.1 and 192.168.0.2/,
  ],
  [
    'the answers do not come back',
    (facts) =>
      withConnection(down(facts, silent(PEER)), PEER, 'node-1-ipv4', (peer) => ({
        ...peer,
        state: 'connecting',
        ikeSas: [
          {
            number: 2,
            state: 'connecting',
            role: 'responder',
            initiatorSpi: '',
            responderSpi: '',
            suite: '',
            children: [],
          },
        ],
      })),
    'IKE',
    'AnswersLost',
    /its answers do not come back/,
    /from 192.168.0.2 to 192.168.0.1/,
  ],
  [
    'UDP 4500 is blocked',
    (facts) =>
      down(
        facts,
        'node-2 (192.168.0.2) does not answer IKE_AUTH: it answered the first message only: is UDP port 4500 open, and do large packets pass?',
      ),
    'IKE',
    'LargePacketsLost',
    /UDP 4500 is blocked, or large packets are lost/,
    /open UDP 4500.*MTU/,
  ],
  [
    'the peer has died',
    (facts) =>
      down(
        facts,
        'node-2 (192.168.0.2) has stopped answering, and nothing has come from it for 130 s: is it running, and is the path to it open?',
      ),
    'IKE',
    'PeerSilent',
    /answers no more/,
    /see that it runs/,
  ],
  [
    'the proposals have nothing in common',
    (facts) =>
      down(
        facts,
        'node-2 (192.168.0.2) accepts none of our IKE proposals (aes128cbc-sha1): give both sides one in common',
      ),
    'IKE',
    'ProposalsDiffer',
    /aes128cbc-sha1/,
    /spec.proposals.ike/,
  ],
  [
    'the gateway does not accept our pre-shared key, or our identity',
    (facts) =>
      withConnection(
        facts,
        NODE,
        'gateway_office',
        failing(
          '198.51.100.1 (198.51.100.1) does not accept us as node-1.mesh.test: compare the pre-shared keys and identities of both sides',
        ),
      ),
    'IKE',
    'KeysOrIdentitiesDiffer',
    /pre-shared keys or the identities differ/,
    /same key/,
    'office',
  ],
  [
    'the peer does not trust our authority, which only the peer knows',
    (facts) =>
      down(
        facts,
        'node-2 (192.168.0.2) does not accept us as node-1.mesh.test: its log tells why it does not believe our certificate (authority, identity, validity, revocation)',
        'node-1-ipv4',
        'node-1 (node-1.mesh.test) its certificate leads to no trusted authority: CN=new-ca has issued it, it sent no intermediate certificate; trusted are CN=old-ca',
      ),
    'IKE',
    'AuthorityNotTrusted',
    /CN=new-ca has issued it.*trusted are CN=old-ca/,
    /certificate.trust/,
  ],
  [
    'the clock of the peer is wrong',
    (facts) =>
      withHost(
        down(
          facts,
          'node-2 (192.168.0.2) does not accept us as node-1.mesh.test: its log tells why it does not believe our certificate (authority, identity, validity, revocation)',
          'node-1-ipv4',
          "node-1 (node-1.mesh.test) its certificate is not valid before 2026-11-28 10:00:00Z; this host's clock says 2026-11-27 10:00:00Z",
        ),
        PEER,
        { clockOffsetMs: -86_400_000 },
      ),
    'IKE',
    'ClockWrong',
    /node-1 is 86400 s ahead of that of node-2/,
    /NTP/,
  ],
  [
    'the certificate is revoked',
    (facts) => down(facts, 'node-2 (node-2.mesh.test) its certificate was revoked at 2026-11-20 00:00:00Z'),
    'IKE',
    'CertificateRevoked',
    /was revoked/,
    /issue a new certificate/,
  ],
  [
    'the gateway says it is somebody else',
    (facts) =>
      withConnection(
        facts,
        NODE,
        'gateway_office',
        failing(
          '198.51.100.1 says it is fqdn other.example.com, configured for gateway_office is fqdn vpn.example.com',
        ),
      ),
    'IKE',
    'IdentityDiffers',
    /other.example.com/,
    /gateway.identity/,
    'office',
  ],
  [
    'the name of the gateway does not resolve',
    (facts) =>
      withConnection(
        facts,
        NODE,
        'gateway_office',
        failing('vpn.example.com does not resolve (ENOTFOUND): write its address, or mend DNS'),
      ),
    'IKE',
    'NameUnresolved',
    /vpn.example.com does not resolve/,
    /mend DNS/,
    'office',
  ],
  [
    'the agent does not know the peer',
    (facts) =>
      withAgent(facts, NODE, (report) => ({
        ...report,
        peers: report.peers.filter(({ name }) => !name.startsWith(PEER)),
      })),
    'IKE',
    'PeerNotKnown',
    /does not know node-2/,
    /why node-2/,
  ],
  [
    'ESP algorithms have nothing in common',
    (facts) =>
      noChild(
        facts,
        'node-2 accepts none of our ESP proposals for Child default, or not its mode: set both alike on both sides',
      ),
    'SA',
    'EspProposalsDiffer',
    /ESP proposals/,
    /spec.proposals.esp/,
  ],
  [
    'traffic selectors do not fit',
    (facts) =>
      noChild(
        facts,
        'node-2 accepts none of the traffic selectors of Child default: compare them with its configuration',
      ),
    'SA',
    'SelectorsDiffer',
    /traffic selectors/,
    /selectors/,
  ],
  [
    'the modes differ',
    (facts) =>
      noChild(
        facts,
        'node-2 asks for tunnel mode, no Child is configured for it: set traffic.mode alike on both sides',
      ),
    'SA',
    'ModesDiffer',
    /tunnel mode/,
    /spec.traffic.mode/,
  ],
  [
    'the kernel lacks the algorithm',
    (facts) =>
      noChild(
        facts,
        'SA 192.168.0.2 spi 00000001: the kernel refused it with ENOSYS: this kernel lacks ESP or the algorithm; load the modules',
      ),
    'SA',
    'KernelRefuses',
    /kernel of node-1 refuses an SA/,
    /load the modules/,
  ],
  [
    'another program flushed the kernel’s SAs',
    (facts) =>
      withChild(facts, NODE, 'node-2-ipv4', (child) => ({
        ...child,
        inbound: { spi: child.inbound.spi, installed: false },
      })),
    'SA',
    'SaRemoved',
    /lacks SAs of Child default with node-2/,
    /ip xfrm state flush/,
  ],
  [
    'the peer has lost the SAs that we send on',
    (facts) =>
      withChild(facts, PEER, 'node-1-ipv4', (child) => ({ ...child, inbound: { ...child.inbound, spi: '99999999' } })),
    'SA',
    'SasDiffer',
    /does not have/,
    /liveness/,
  ],
  [
    'the peer has ceased to answer, and its SAs are still there',
    (facts) => telling(facts, 'PeerSilent', 'the peer has not answered for 12 s, and was heard 40 s ago'),
    'IKE',
    'PeerSilent',
    /not answered for 12 s/,
    /UDP 500 and 4500/,
  ],
  [
    'the agent of the peer answers nobody, and its SAs are still there',
    (facts) => hung(telling(facts, 'PeerSilent', 'the peer has not answered for 12 s'), PEER),
    'IKE',
    'AgentSilent',
    /agent of node-2 answers nobody: .*within 10 s, and node-1 finds that the peer has not answered for 12 s/,
    /delete pod/,
  ],
  [
    'the agent of the node itself answers nobody',
    (facts) => {
      const silent = {
        state: 'established',
        reason: 'PeerSilent',
        message: 'the peer has not answered for 12 s',
      } as const;
      return hung(
        withConnection(facts, PEER, 'node-1-ipv4', (peer) => ({ ...peer, ...silent })),
        NODE,
      );
    },
    'IKE',
    'AgentSilent',
    /agent of node-1 answers nobody: .*, and node-2 finds that/,
    /delete pod/,
  ],
  [
    'a policy was removed from the kernel',
    (facts) => telling(facts, 'PolicyMissing', 'not in the kernel as ordered: out 192.168.0.1/32 192.168.0.2/32'),
    'policy',
    'PolicyMissing',
    /kernel of node-1 lacks a policy/,
    /policy flush/,
  ],
  [
    'ESP does not arrive, by the counters of both kernels',
    (facts) => telling(facts, 'NotArriving', 'default: the peer counts none of the packets that we send'),
    'counters',
    'EspBlocked',
    /counts none/,
    /protocol 50/,
  ],
  [
    'the peer decrypts with another key',
    (facts) => telling(facts, 'PeerCannotDecrypt', 'default: the peer cannot decrypt what we send'),
    'counters',
    'CannotDecrypt',
    /node-2 cannot decrypt what node-1 sends/,
    /replace such a pair/,
  ],
  [
    'a policy of another program stands in the way',
    (facts) =>
      withConnection(facts, NODE, 'node-2-ipv4', (peer) => ({
        ...peer,
        lastFailure: {
          secondsAgo: 5,
          text: 'out policy 192.168.0.1/32 to 192.168.0.2/32: belongs to another program (its index 8 is not of ours) and was left alone; remove it there or change the selectors',
        },
      })),
    'policy',
    'ForeignPolicy',
    /another program on node-1/,
    /stop the other IPsec program/,
  ],
  [
    'somebody has changed a policy',
    (facts) =>
      withFault(
        facts,
        PEER,
        'PoliciesMissing',
        'peering cluster, node-1: not in the kernel as ordered: out x: find who else changes policies',
      ),
    'policy',
    'PoliciesMissing',
    /not as they were ordered on node-2/,
    /find who else/,
  ],
  [
    'policies of an exemption are missing',
    (facts) =>
      withFault(
        facts,
        PEER,
        'ExemptionsMissing',
        'peering cluster, node-1: 2 of the 4 policies that exempt TCP 6443 are not in the kernel',
      ),
    'policy',
    'ExemptionsMissing',
    /missing on node-2/,
    /./,
  ],
  [
    'the kernel does not enforce what was told',
    (facts) =>
      withPeering(facts, NODE, (each) => ({ ...each, enforcement: { outbound: 'Optional', inbound: 'Optional' } })),
    'policy',
    'EnforcementBehind',
    /told Required and Required/,
    /log of its agent/,
  ],
  [
    'ESP is blocked one way while IKE passes',
    (facts) =>
      withChild(facts, PEER, 'node-1-ipv4', (child) => ({
        ...child,
        inbound: { ...child.inbound, packets: 0, bytes: 0 },
      })),
    'counters',
    'EspBlocked',
    /node-1 encrypts for node-2, and nothing arrives: 1000 packets sent, 0 received/,
    /IP protocol 50.*from 192.168.0.1 to 192.168.0.2/,
  ],
  [
    'ESP in UDP is blocked the other way',
    (facts) => {
      const inUdp = withChild(facts, PEER, 'node-1-ipv4', (child) => ({ ...child, udpEncapsulation: true }));
      return withChild(inUdp, NODE, 'node-2-ipv4', (child) => ({
        ...child,
        inbound: { ...child.inbound, packets: 0 },
      }));
    },
    'counters',
    'EspInUdpBlocked',
    /node-2 encrypts for node-1/,
    /open UDP 4500 from 192.168.0.2 to 192.168.0.1/,
  ],
  [
    'a third of the packets is lost',
    (facts) =>
      withChild(facts, PEER, 'node-1-ipv4', (child) => ({ ...child, inbound: { ...child.inbound, packets: 650 } })),
    'counters',
    'PacketsLost',
    /1000 packets sent, 650 received/,
    /MTU/,
  ],
  [
    'the gateway sends nothing back',
    (facts) =>
      withChild(facts, NODE, 'gateway_office', (child) => ({ ...child, inbound: { ...child.inbound, packets: 0 } })),
    'counters',
    'NothingComesBack',
    /none came back/,
    /route back/,
    'office',
  ],
  [
    'a peer sends plaintext to a node that requires encryption, and nothing is proven of the pair',
    (facts) => unproven(withHost(facts, PEER, { errors: { XfrmInNoPols: { total: 90, added: 12 } } })),
    'path',
    'XfrmInNoPols',
    /node-2 drops plaintext.*grew by 12/,
    /sends plaintext/,
  ],
  [
    'something on the path changes packets',
    (facts) => unproven(withHost(facts, NODE, { errors: { XfrmInStateProtoError: { total: 9, added: 3 } } })),
    'path',
    'XfrmInStateProtoError',
    /cannot decrypt/,
    /changes packets/,
  ],
  [
    'the MTUs differ',
    (facts) => withHost(facts, PEER, { interfaces: [{ name: 'eth0', mtu: 1_400, addresses: ['192.168.0.2'] }] }),
    'path',
    'MtusDiffer',
    /MTU 1500.*1400/,
    /fragmentation needed/,
  ],
  [
    'the clocks differ and certificates are still believed',
    (facts) => withHost(facts, NODE, { clockOffsetMs: 600_000 }),
    'path',
    'ClocksDiffer',
    /node-1 is 600 s ahead/,
    /NTP/,
  ],
];

describe('why', () => {
  it.each(faults.map((fault) => [fault[0], fault] as const))('names the cause and the remedy when %s', (_, fault) => {
    const [, inject, stage, code, cause, remedy, peer = PEER] = fault;
    const facts = inject(healthyFacts());
    const diagnosis = peer === null ? diagnose(facts, NODE).first : diagnosePair(facts, NODE, peer);
    if (peer === null) expect(diagnosePair(facts, NODE, PEER).verdict).toBe('healthy');
    const wrong = wrongOf(diagnosis);
    expect({ stage: wrong?.stage, code: wrong?.code }).toEqual({ stage, code });
    expect(wrong?.text).toMatch(cause);
    expect(wrong?.remedy).toMatch(remedy);
    expect(diagnosis.verdict).toBe('wrong');
  });

  it('knows at least twenty faults at all stages', () => {
    expect(new Set(faults.map(([, , , code]) => code)).size).toBeGreaterThanOrEqual(20);
    expect(new Set(faults.map(([, , stage]) => stage)).size).toBe(7);
  });

  it('of a node alone finds the peer with which something is wrong, the earliest stage first', () => {
    const slow = withChild(healthyFacts(), 'node-3', 'node-1-ipv4', (child) => ({
      ...child,
      inbound: { ...child.inbound, packets: 0 },
    }));
    const { first, others } = diagnose(down(slow, silent(PEER)), NODE);
    expect([first.peer, wrongOf(first)?.code]).toEqual([PEER, 'UdpBlocked']);
    expect(others.filter(({ verdict }) => verdict === 'wrong').map(({ peer }) => peer)).toEqual(['node-3']);
  });

  it('of a node alone names a peering that is refused beside one that works, and its peers in trouble as well', () => {
    const facts = withRefused(down(healthyFacts(), silent(PEER)), 'office');
    const { first, others } = diagnose(facts, NODE);
    expect([first.peer, wrongOf(first)?.code]).toEqual([undefined, 'PreSharedKeyUnusable']);
    const wrong = others.filter(({ verdict }) => verdict === 'wrong');
    expect(wrong.map((each) => [each.peer, wrongOf(each)?.code])).toEqual([[PEER, 'UdpBlocked']]);
    expect(diagnosePair(facts, NODE, 'node-3').verdict).toBe('healthy');
  });

  it('does not blame a pair that is proven for what the kernel of a node drops of others, and names that of the node', () => {
    const facts = withHost(healthyFacts(), PEER, { errors: { XfrmInTmplMismatch: { total: 10, added: 1 } } });
    const { verdict, steps } = diagnosePair(facts, NODE, PEER);
    expect(verdict).toBe('healthy');
    expect(steps.at(-1)).toMatchObject({
      stage: 'path',
      text: expect.stringMatching(
        /heard 5 s ago; of other traffic the kernel of node-2 .*XfrmInTmplMismatch grew by 1/,
      ),
    });
    expect(diagnose(facts, NODE).first.verdict).toBe('healthy');
    const { first } = diagnose(facts, PEER);
    expect([first.peer, wrongOf(first)?.stage, wrongOf(first)?.code]).toEqual([
      undefined,
      'path',
      'XfrmInTmplMismatch',
    ]);
    const narrow = withHost(facts, NODE, { interfaces: [{ name: 'eth0', mtu: 1_400, addresses: ['192.168.0.1'] }] });
    expect(wrongOf(diagnosePair(narrow, NODE, PEER))?.code).toBe('MtusDiffer');
  });

  it('does not take for loss what was sent on an SA between two questions just after it was made', () => {
    const young = (facts: Facts, node: string, connection: string, ageSeconds: number, packets: number) =>
      withChild(facts, node, connection, (child) => ({
        ...child,
        ageSeconds,
        inbound: { ...child.inbound, packets },
        outbound: { ...child.outbound, packets },
      }));
    for (const arrived of [0, 1_000]) {
      const asked = young(healthyFacts(), NODE, 'node-2-ipv4', 31, 2_000);
      expect(diagnosePair(young(asked, PEER, 'node-1-ipv4', 29, arrived), NODE, PEER).verdict).toBe('healthy');
      expect(diagnosePair(young(asked, PEER, 'node-1-ipv4', 30, arrived), NODE, PEER).verdict).toBe('wrong');
      // One was asked long after the other.
      expect(diagnosePair(young(asked, PEER, 'node-1-ipv4', 40, arrived), NODE, PEER).verdict).toBe('healthy');
    }
  });

  it('does not find that SAs differ where they were replaced between two questions', () => {
    const replaced = withChild(healthyFacts(), PEER, 'node-1-ipv4', (child) => ({
      ...child,
      ageSeconds: 3,
      inbound: { ...child.inbound, spi: '99999999' },
      outbound: { ...child.outbound, spi: '88888888' },
    }));
    expect(diagnosePair(replaced, NODE, PEER).verdict).toBe('healthy');
    expect(diagnosePair(replaced, PEER, NODE).verdict).toBe('healthy');
  });

  it.each([
    [
      'crashes',
      { trouble: 'CrashLoopBackOff in container agent: it ended with 2 (Error)', restarts: 12 },
      /agent-new, does not come up: CrashLoopBackOff.*; the old one, ikemesh-agent-node-1, goes on/,
      /logs agent-new --container agent --previous; or go back: helm rollback/,
    ],
    [
      'lacks its image',
      { trouble: 'ImagePullBackOff in container agent: not found', phase: 'Pending' },
      /ImagePullBackOff/,
      /helm rollback/,
    ],
    ['runs and is not Ready', {}, /not Ready since 2027-/, /logs agent-new --container agent;/],
  ])('names an update that is stuck because the new agent of a node %s', (_, fields, cause, remedy) => {
    const facts = withNewAgent(healthyFacts(), fields);
    const { first } = diagnose(facts, NODE);
    expect([first.peer, wrongOf(first)?.stage, wrongOf(first)?.code]).toEqual([
      undefined,
      'configuration',
      'UpdateStuck',
    ]);
    expect(wrongOf(first)?.text).toMatch(cause);
    expect(wrongOf(first)?.remedy).toMatch(remedy);
    // The old agent encrypts as before.
    expect(diagnosePair(facts, NODE, PEER).verdict).toBe('healthy');
  });

  it('gives the new agent of an update a minute to be Ready, and the old one all the time that it takes to end', () => {
    const { atMs } = healthyFacts();
    const young = { readinessSinceMs: atMs - 59_000 };
    expect(diagnose(withNewAgent(healthyFacts(), young), NODE).first.verdict).toBe('healthy');
    expect(diagnose(withNewAgent(healthyFacts(), { ending: true }), NODE).first.verdict).toBe('healthy');
  });

  it('gives an agent that begins a minute to be Ready', () => {
    const { atMs } = healthyFacts();
    const facts = withPod(healthyFacts(), NODE, { ready: false, readinessSinceMs: atMs - 59_000 });
    expect(diagnosePair(facts, NODE, PEER).verdict).toBe('healthy');
  });

  it('of a node alone names once what it lacks whoever the peer is, and first what is wrong earlier', () => {
    const lacking = withProgrammed(healthyFacts(), NODE, 'nf_tables: load it', 'SegmentsNotClamped');
    const alone = diagnose(lacking, NODE);
    expect([alone.first.peer, wrongOf(alone.first)?.code]).toEqual([undefined, 'SegmentsNotClamped']);
    expect(alone.others.filter(({ verdict }) => verdict === 'wrong')).toEqual([]);
    const { first, others } = diagnose(down(lacking, silent(PEER)), NODE);
    expect([first.peer, wrongOf(first)?.code]).toEqual([PEER, 'UdpBlocked']);
    const wrong = others.filter(({ verdict }) => verdict === 'wrong');
    expect(wrong.map((each) => [each.peer, wrongOf(each)?.code])).toEqual([[undefined, 'SegmentsNotClamped']]);
  });

  it.each([
    [
      'RenewalFailing: cert-manager cannot renew the certificate of node-1: Failed: the issuer said no; .*; look at Issuer mesh-ca',
      { issuing: { status: 'False', reason: 'Failed', message: 'the issuer said no' } },
    ],
    [
      'RenewalOverdue: cert-manager has not begun to renew the certificate of node-1, due at 2026-12-01T00:00:00Z: see that',
      { renewalTime: '2026-12-01T00:00:00Z' },
    ],
  ])(
    'finds nothing wrong with a certificate that is good, and says what stands in the way of the next: %s',
    (text, fields) => {
      const { verdict, steps } = diagnosePair(withCertificate(healthyFacts(), fields), NODE, PEER);
      expect(verdict).toBe('healthy');
      expect(steps[1]).toMatchObject({ stage: 'certificate', state: 'ok', text: expect.stringMatching(text) });
    },
  );

  it('finds nothing wrong where agents have gone over to ESP in UDP by themselves, and says that they have', () => {
    const message = 'packets get through in both directions in UDP; as ESP (IP protocol 50) they did not arrive';
    const facts = withConnection(healthyFacts(), NODE, 'node-2-ipv4', (peer) => ({
      ...peer,
      reason: 'FellBackToUDP',
      message,
    }));
    const { verdict, steps } = diagnosePair(facts, NODE, PEER);
    expect(verdict).toBe('healthy');
    expect(steps.at(-1)).toMatchObject({ stage: 'path', text: expect.stringContaining(message) });
  });

  it('finds nothing wrong where SAs are made for traffic and there was none', () => {
    const waiting = (facts: Facts, node: string, connection: string): Facts =>
      withConnection(facts, node, connection, (peer) => ({
        ...peer,
        state: 'down',
        reason: 'WaitingForTraffic',
        message: 'there is no IKE SA: the first packet makes one',
        ikeSas: [],
      }));
    const facts = ['node-2-ipv4', 'node-2-ipv6'].reduce((made, name) => waiting(made, NODE, name), healthyFacts());
    const { verdict, steps } = diagnosePair(facts, NODE, PEER);
    expect(verdict).toBe('healthy');
    expect(steps.find(({ stage }) => stage === 'IKE')).toMatchObject({ text: expect.stringContaining('first packet') });
  });

  it('says what could not be looked at, and finds what can be seen all the same', () => {
    const facts = down(healthyFacts(), silent(PEER));
    const blind: Facts = {
      ...withConfig(facts, NODE, (config) => ({
        ...config,
        status: {
          ...config.status,
          troubledPeers: [
            {
              peering: 'cluster',
              name: PEER,
              reason: 'NotEstablished',
              since: '2026-11-28T00:00:00Z',
              message: `there is no IKE SA: ${silent(PEER)}`,
            },
          ],
        },
      })),
      certificates: unknown('Certificates', 'forbidden', 'you may not'),
      agents: new Map([[NODE, unknown('the agent of node-1', 'forbidden', 'you may not run commands in its Pod')]]),
      hosts: new Map(),
    };
    const diagnosis = diagnosePair(blind, NODE, PEER);
    expect(wrongOf(diagnosis)).toMatchObject({
      stage: 'IKE',
      code: 'NotEstablished',
      text: expect.stringContaining('does not answer'),
    });
  });

  it('finds nothing wrong with a node whose agent is content with all peers, of which only some were asked', () => {
    const facts = healthyFacts();
    const asked = (agents: Facts['agents']): Facts => ({ ...facts, agents, hosts: new Map() });
    const some = asked(new Map([...facts.agents].filter(([name]) => name !== 'node-3')));
    const { first, others } = diagnose(some, NODE);
    expect([first, ...others].map(({ verdict }) => verdict)).toEqual(['healthy', 'healthy', 'healthy']);
    const doubtful = withConnection(some, NODE, 'node-3-ipv4', (peer) => ({
      ...peer,
      reason: 'PeerSilent',
      message: '',
    }));
    expect(diagnosePair(doubtful, NODE, 'node-3').verdict).not.toBe('healthy');
    const silent = asked(new Map([...some.agents, ['node-3', unknown('the agent of node-3', 'unanswered', 'none')]]));
    expect(diagnose(silent, NODE).first).toMatchObject({ peer: 'node-3', verdict: 'unknown' });
  });

  it('does not call healthy what nobody could look at', () => {
    const facts: Facts = {
      ...healthyFacts(),
      agents: new Map([[NODE, unknown('the agent of node-1', 'unanswered', 'no answer within 10 s')]]),
    };
    const diagnosis = diagnosePair(facts, NODE, PEER);
    expect(diagnosis.verdict).toBe('unknown');
    expect(JSON.stringify(diagnosis.steps)).toContain('no answer within 10 s');
  });
});

function wrongOf({ steps }: Diagnosis) {
  const wrong = steps.find(({ state }) => state === 'wrong');
  return wrong?.state === 'wrong' ? wrong : undefined;
}

function withNode(facts: Facts, name: string, change: (node: NodeFact) => NodeFact): Facts {
  return withList(facts, 'nodes', (nodes) =>
    nodes.map((node) => (node.object.metadata.name === name ? change(node) : node)),
  );
}

type NodeFact = Extract<Facts['nodes'], { readonly known: true }>['value'][number];

/** The peerings are of generation 2, of which the operator knows nothing; what it said of the first is `reason`. */
function changedSince(facts: Facts, reason: 'Accepted' | 'Overlapped'): Facts {
  const status = reason === 'Accepted' ? 'True' : 'False';
  const conditions = ['Ready', 'Accepted'].map((type) => {
    return {
      type,
      status,
      reason,
      message: '',
      lastTransitionTime: '2026-11-28T00:00:00Z',
      observedGeneration: 1,
    } as const;
  });
  return withList(facts, 'peerings', (peerings) =>
    peerings.map((each) => ({ ...each, metadata: { ...each.metadata, generation: 2 }, status: { conditions } })),
  );
}

function withHeld(facts: Facts, reason: string, message: string): Facts {
  const programmed = { type: 'Programmed', status: 'False', reason, message } as const;
  const conditions = [{ ...programmed, lastTransitionTime: '2026-11-28T00:00:00Z' }];
  return withList(facts, 'peerings', (peerings) =>
    peerings.map((each) =>
      each.metadata.name === 'cluster' ? { ...each, status: { ...each.status, conditions } } : each,
    ),
  );
}

function withWritesRefused(facts: Facts): Facts {
  const message = 'the API server refuses the IPsecNodeConfig of node-a (Forbidden: no quota): see to the quota';
  const refusal = { type: 'Programmed', status: 'False', reason: 'WritesRefused', message } as const;
  const conditions = [{ ...refusal, lastTransitionTime: '2026-11-28T00:00:00Z' }];
  return withList(facts, 'peerings', (peerings) =>
    peerings.map((each) => ({ ...each, status: { ...each.status, conditions } })),
  );
}

function withRefused(facts: Facts, name: string): Facts {
  const message = 'Secret office-psk cannot be used: it must be in the namespace of the nodes';
  const refusal = { type: 'Accepted', status: 'False', reason: 'PreSharedKeyUnusable', message } as const;
  const conditions = [{ ...refusal, lastTransitionTime: '2026-11-28T00:00:00Z' }];
  return withList(facts, 'peerings', (peerings) =>
    peerings.map((each) => (each.metadata.name === name ? { ...each, status: { ...each.status, conditions } } : each)),
  );
}

function withPod(facts: Facts, node: string, fields: Parameters<typeof agentPod>[1]): Facts {
  return withList(facts, 'pods', (pods) =>
    pods.map((pod) => (pod.component === 'agent' && pod.nodeName === node ? agentPod(node, fields) : pod)),
  );
}

/** Facts in which a second agent of the node has come, which is not Ready for over a minute. */
function withNewAgent(facts: Facts, fields: Parameters<typeof agentPod>[1]): Facts {
  const since = facts.atMs - 61_000;
  const base = { name: 'agent-new', uid: 'new', ready: false, createdAtMs: since, readinessSinceMs: since };
  return withList(facts, 'pods', (pods) => [...pods, agentPod(NODE, { ...base, ...fields })]);
}

function withProgrammed(facts: Facts, node: string, message: string, reason = 'NotStarted'): Facts {
  return withConfig(facts, node, (config) => ({
    ...config,
    status: {
      ...config.status,
      conditions: [
        {
          type: 'Programmed',
          status: 'False',
          reason,
          message,
          lastTransitionTime: '2026-11-28T00:00:00Z',
        },
      ],
    },
  }));
}

function withPeering(facts: Facts, node: string, change: (peering: NodePeeringStatus) => NodePeeringStatus): Facts {
  return withConfig(
    facts,
    node,
    (config): IpsecNodeConfig => ({
      ...config,
      status: {
        ...config.status,
        peerings: (config.status?.peerings ?? []).map((each) => (each.name === 'cluster' ? change(each) : each)),
      },
    }),
  );
}

function withFault(facts: Facts, node: string, reason: string, message: string): Facts {
  return withPeering(facts, node, (peering) => ({ ...peering, fault: { reason, message } }));
}

function withoutCertificate(facts: Facts, node: string): Facts {
  return withPeering(facts, node, ({ certificate: _, ...peering }) => peering);
}

function certificateOf(facts: Facts, node: string): string {
  const config = facts.configs.known ? facts.configs.value.find(({ metadata }) => metadata.name === node) : undefined;
  return config?.spec.peerings.find(({ name }) => name === 'cluster')?.authentication.certificate?.secretName ?? '';
}

/** What the node uses has ended. */
function withEnded(facts: Facts): Facts {
  return withPeering(facts, NODE, (each) =>
    each.certificate === undefined ? each : { ...each, certificate: { ...each.certificate, notAfter: ENDED } },
  );
}

const ENDED = '2026-01-01T00:00:00Z';

function withCertificate(facts: Facts, fields: Partial<CertificateFact>): Facts {
  const name = certificateOf(facts, NODE);
  return withList(facts, 'certificates', (all) =>
    all.map((each) => (each.secretName === name ? { ...each, ...fields } : each)),
  );
}

/** Node and peer have no IKE SA, and this is what the one and the other say of it. */
function down(facts: Facts, text: string, mirror?: string, theirs?: string): Facts {
  const one = withConnection(facts, NODE, 'node-2-ipv4', failing(text));
  const other = withConnection(one, PEER, 'node-1-ipv4', failing(theirs));
  return mirror === undefined ? other : withConnection(other, PEER, mirror, failing(theirs));
}

function failing(text: string | undefined): (peer: AgentPeer) => AgentPeer {
  return (peer) => ({
    ...peer,
    state: 'down',
    ikeSas: [],
    ...(text === undefined ? {} : { lastFailure: { secondsAgo: 3, text } }),
  });
}

function silent(name: string): string {
  return `${name} (192.168.0.2) does not answer IKE_SA_INIT: is it running, and are UDP ports 500 and 4500 open between 192.168.0.1 and it?`;
}

function noChild(facts: Facts, text: string): Facts {
  return withConnection(facts, NODE, 'node-2-ipv4', (peer) => ({
    ...peer,
    state: 'established',
    ikeSas: peer.ikeSas.map((sa) => ({ ...sa, children: [] })),
    lastFailure: { secondsAgo: 3, text },
  }));
}

/** Every SA is there, and the agent knows that it does not work. */
function telling(facts: Facts, reason: string, message: string): Facts {
  return withConnection(facts, NODE, 'node-2-ipv4', (peer) => ({ ...peer, state: 'established', reason, message }));
}

function unproven(facts: Facts): Facts {
  return withConnection(facts, NODE, 'node-2-ipv4', (peer) => ({ ...peer, reason: 'Unproven' }));
}

/** Whose agent does not answer whoever asks its Pod. */
function hung(facts: Facts, node: string): Facts {
  const lack = unknown(`the agent of ${node}`, 'unanswered', 'no answer within 10 s');
  return { ...facts, agents: new Map([...facts.agents, [node, lack]]) };
}

function withChild(facts: Facts, node: string, connection: string, change: (child: Child) => Child): Facts {
  return withConnection(facts, node, connection, (peer) => ({
    ...peer,
    ikeSas: peer.ikeSas.map((sa) => ({ ...sa, children: sa.children.map(change) })),
  }));
}

type Child = AgentPeer['ikeSas'][number]['children'][number];
