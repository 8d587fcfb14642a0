import * as z from 'zod';

import { familyOf, networkOf } from './ip-text.ts';
import { MAX_ESSENTIAL_SERVERS, MAX_EXEMPTIONS, MAX_PORT_RANGES, MAX_STAGED_EXEMPTIONS } from './limits.ts';
import { type Rule, ruled } from './rule.ts';
import { atomicList, network } from './scalars.ts';

/** Protocols that a selector can name; the words are the agent's. */
const protocol = z.enum(['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6']);

const portRange = ruled(
  z.object({
    from: port().describe('First port.'),
    to: port().optional().describe('Last port; left out: the first one only.'),
  }),
  {
    cel: '!has(self.to) || self.to >= self.from',
    holds: ({ from, to }) => to === undefined || to >= from,
    message: 'must not be below from',
    path: ['to'],
  },
);

const ports = atomicList(portRange, MAX_PORT_RANGES).min(1);

const portsNeedProtocol: Rule<{ protocol?: string | undefined; ports?: unknown }> = {
  cel: "!has(self.ports) || (has(self.protocol) && self.protocol in ['TCP', 'UDP', 'SCTP'])",
  holds: (value) => value.ports === undefined || ['TCP', 'UDP', 'SCTP'].includes(value.protocol ?? ''),
  message: 'ports need a protocol that has them: set protocol to TCP, UDP or SCTP',
  path: ['ports'],
};

/** What passes between a node and a gateway. */
export const trafficSelector = ruled(
  z.object({
    local: network('NodeAddresses', 'PodCIDRs').describe(
      'Addresses on this side: `NodeAddresses`, `PodCIDRs` (those of the node), or a CIDR.',
    ),
    remote: network().describe('Addresses behind the gateway, or its own, as a CIDR.'),
    protocol: protocol.optional().describe('Only this protocol; left out: any.'),
    ports: ports.optional().describe('Only these ports of the remote side; left out: all.'),
  }),
  portsNeedProtocol,
  {
    cel: '!isCIDR(self.local) || !isCIDR(self.remote) || cidr(self.local).ip().family() == cidr(self.remote).ip().family()',
    holds: ({ local, remote }) => [local, remote].some(isWord) || familyOf(local) === familyOf(remote),
    message: 'local and remote must be of one IP family',
    path: ['local'],
  },
);

const exemptionFields = {
  protocol: protocol.optional().describe('Only this protocol; left out: any.'),
  ports: ports
    .optional()
    .describe(
      'Only these ports of the side that is called: of `cidr` where the nodes begin, of the nodes where `cidr` does; ' +
        'left out: all. Answers are exempt as well: whatever comes from such a port, since IPsec knows no connections.',
    ),
  cidr: network().describe(
    'The addresses at the other end. Of the traffic of this peering alone: what it does not encrypt needs no exemption.',
  ),
  direction: z
    .enum(['Both', 'Inbound', 'Outbound'])
    .default('Both')
    .describe(
      'Who begins: `Outbound` is from the selected nodes (with `scope` Pods, their pods) to `cidr`, `Inbound` the other ' +
        'way round. In a mesh a node within `cidr` exempts what the others may begin towards it.',
    ),
};

const wholeWorld: Rule<{ cidr: string; ports?: unknown }> = {
  cel: '!isCIDR(self.cidr) || cidr(self.cidr).prefixLength() > 0 || has(self.ports)',
  holds: (value) => networkOf(value.cidr)?.prefixLength !== 0 || value.ports !== undefined,
  message: 'exempts all addresses with all ports: narrow cidr, or set protocol and ports',
  path: ['cidr'],
};

/** What is left in plaintext. */
const exemption = ruled(z.object(exemptionFields), portsNeedProtocol, wholeWorld);

/** The same, as far as a node has come with it. */
const stagedExemption = ruled(
  z.object({
    ...exemptionFields,
    stage: z
      .enum(['Accept', 'Send'])
      .default('Accept')
      .describe(
        '`Accept`: such packets are received in plaintext as well as encrypted; `Send`: and sent in plaintext.',
      ),
  }),
  portsNeedProtocol,
  wholeWorld,
);

/** What nodes exempt, and how far they have come. */
export const stagedExemptions = atomicList(stagedExemption, MAX_STAGED_EXEMPTIONS);

/**
 * What a cluster cannot be repaired without. A switch for each, because each is a decision: names and times are not for
 * everybody, and the API server and kubelets encrypt by themselves.
 */
const essential = z.object({
  apiServer: essentialSwitch(
    'TCP 6443 of the servers. It is TLS; without it a node whose certificate has ended could never get another one.',
  ),
  kubelet: essentialSwitch(
    'TCP 10250 of every node, from the servers: logs, `kubectl exec`, metrics. It is TLS; without it nobody could look ' +
      'at a node that cannot encrypt. Probes of pods need nothing: a kubelet asks those of its own node.',
  ),
  dns: essentialSwitch(
    'Port 53 (UDP and TCP) of the servers: the names that are asked for can be read on the way. Without it a node that ' +
      'cannot encrypt finds neither API server nor gateways by name.',
  ),
  ntp: essentialSwitch(
    'UDP 123 of the servers: the time can be read on the way. Without it a node whose clock is wrong finds every ' +
      'certificate invalid, and never gets the right time.',
  ),
  servers: atomicList(network(), MAX_ESSENTIAL_SERVERS)
    .optional()
    .describe(
      'Where these are; left out: the selected nodes that have the label `node-role.kubernetes.io/control-plane`. What is ' +
        'outside of the traffic of the peering is in plaintext anyway.',
    ),
});

const trafficFields = {
  scope: z
    .enum(['Nodes', 'Pods', 'NodesAndPods'])
    .default('Nodes')
    .describe(
      'What a mesh encrypts: packets between node addresses, between pod CIDRs, or all of them. On overlay networks ' +
        '(VXLAN, Geneve) `Nodes` covers what pods send; networks that route pod addresses need `Pods` or `NodesAndPods`.',
    ),
  mode: z
    .enum(['Auto', 'Transport', 'Tunnel'])
    .default('Auto')
    .describe(
      'ESP mode. `Auto`: transport between node addresses, tunnel for everything else. In a tunnel packets have some 80 ' +
        'bytes less room: the node tells pods that send longer ones by ICMP ("fragmentation needed", "packet too big"), ' +
        "which nothing may filter between a pod and its node, unless the MTU of the pods' network is as much lower.",
    ),
};

const transportNeedsNodes: Rule<{ readonly mode: string; readonly scope: string }> = {
  cel: "self.mode != 'Transport' || self.scope == 'Nodes'",
  holds: ({ mode, scope }) => mode !== 'Transport' || scope === 'Nodes',
  message: "pods' packets need tunnel mode: write Auto or Tunnel",
  path: ['mode'],
};

/** Which packets a peering is about. */
export const traffic = ruled(
  z.object({
    ...trafficFields,
    exempt: atomicList(exemption, MAX_EXEMPTIONS)
      .optional()
      .describe(
        'What stays in plaintext, at both ends; each takes kernel policies for every peer. It begins and ends step by step ' +
          'on all nodes, so that no packet of it is lost. The ports of IKE and neighbour discovery always stay in ' +
          'plaintext. On overlay networks only the outer packets can be exempt.',
      ),
    essential: essential
      .prefault({})
      .describe(
        'What a mesh leaves in plaintext besides, so that a cluster whose tunnels are down can be repaired. The status of ' +
          'each IPsecNodeConfig lists what is in force. With a gateway nothing is: its end is not ours.',
      ),
  }),
  transportNeedsNodes,
);

/** The same for one node. */
export const nodeTraffic = ruled(
  z.object({
    ...trafficFields,
    exempt: stagedExemptions
      .optional()
      .describe('What stays in plaintext at this step: what is new is accepted everywhere before it is sent.'),
  }),
  transportNeedsNodes,
);

function essentialSwitch(description: string) {
  return z.enum(['Exempt', 'Encrypt']).default('Exempt').describe(description);
}

function port() {
  return z.int().min(1).max(65_535).meta({ format: 'int32' });
}

function isWord(text: string): boolean {
  return !text.includes('/');
}
