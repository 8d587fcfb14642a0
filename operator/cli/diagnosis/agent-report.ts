import * as z from 'zod';

/**
 * What `agent status --json` prints, as far as it is used here. Agents of other versions may say more or less: everything
 * that is not needed to tell one peer from another may be missing.
 */
const sa = z.object({
  spi: z.string(),
  destination: z.string().optional(),
  reqid: z.number().optional(),
  installed: z.boolean().default(true),
  bytes: z.number().optional(),
  packets: z.number().optional(),
  undecryptable: z.number().optional(),
  firstUsedSecondsAgo: z.number().optional(),
});

const child = z.object({
  name: z.string(),
  state: z.string(),
  mode: z.string().optional(),
  reqid: z.number().optional(),
  suite: z.string().optional(),
  udpEncapsulation: z.boolean().default(false),
  localSelectors: z.array(z.string()).default([]),
  remoteSelectors: z.array(z.string()).default([]),
  ageSeconds: z.number().optional(),
  rekeySeconds: z.number().optional(),
  expirySeconds: z.number().optional(),
  arrival: z
    .object({
      inbound: z.string(),
      outbound: z.string(),
      sentSeconds: z.number().optional(),
      receivedSeconds: z.number().optional(),
      toldSeconds: z.number().optional(),
    })
    .optional(),
  inbound: sa,
  outbound: sa,
});

const endpoint = z.object({ address: z.string(), port: z.number() });

const ikeSa = z.object({
  number: z.number(),
  state: z.string(),
  role: z.string().optional(),
  local: endpoint.optional(),
  remote: endpoint.optional(),
  initiatorSpi: z.string().default(''),
  responderSpi: z.string().default(''),
  suite: z.string().default(''),
  nat: z.object({ local: z.boolean(), remote: z.boolean() }).optional(),
  ageSeconds: z.number().optional(),
  lastHeardSeconds: z.number().optional(),
  unansweredSeconds: z.number().optional(),
  rekeySeconds: z.number().optional(),
  reauthenticationSeconds: z.number().optional(),
  children: z.array(child).default([]),
});

const exemption = z.object({
  traffic: z.string(),
  stage: z.string().optional(),
  policies: z.number().default(0),
  installed: z.number().default(0),
});

const peer = z.object({
  name: z.string(),
  state: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
  localAddress: z.string().optional(),
  remoteAddress: z.string().optional(),
  localIdentity: z.string().optional(),
  remoteIdentity: z.string().optional(),
  certificate: z
    .object({
      subject: z.string().default(''),
      issuer: z.string().default(''),
      serial: z.string().default(''),
      notAfter: z.string().default(''),
      secondsLeft: z.number().optional(),
    })
    .optional(),
  ikeSas: z.array(ikeSa).default([]),
  exempt: z.array(exemption).optional(),
  lastFailure: z.object({ secondsAgo: z.number(), text: z.string() }).optional(),
  nextAttemptSeconds: z.number().optional(),
});

export const agentReport = z.object({
  node: z.string(),
  version: z.string().default('of another version'),
  cryptoProvider: z.string().optional(),
  uptimeSeconds: z.number().default(0),
  peers: z.array(peer).default([]),
  earlierSas: z.array(sa).default([]),
  certificates: z
    .array(
      z.object({
        kind: z.string(),
        name: z.string(),
        file: z.string().default(''),
        until: z.string().default(''),
        secondsLeft: z.number(),
      }),
    )
    .default([]),
  heldBack: z.array(z.string()).default([]),
  halfOpen: z.number().default(0),
  demandsCookies: z.boolean().default(false),
  dropped: z.record(z.string(), z.number()).default({}),
  unsent: z.record(z.string(), z.number()).default({}),
  holder: z.object({ state: z.string(), reason: z.string().optional() }).optional(),
  kernelFailure: z.string().optional(),
});

/** What it prints while there is nothing to report: why. */
export const withoutReport = z.object({ error: z.string() });

export type AgentReport = z.output<typeof agentReport>;
export type AgentPeer = AgentReport['peers'][number];
export type AgentIkeSa = AgentPeer['ikeSas'][number];
export type AgentChild = AgentIkeSa['children'][number];
export type AgentSa = AgentChild['inbound'];

/** What a program in the agent's container sees of its host. */
export const hostReport = z.object({
  /** What its clock is ahead of ours, in milliseconds, and how far that may be wrong. */
  clockOffsetMs: z.number().default(0),
  clockUncertaintyMs: z.number().default(0),
  kernel: z.string().default(''),
  interfaces: z.array(z.object({ name: z.string(), mtu: z.number(), addresses: z.array(z.string()) })).default([]),
  /** The kernel's IPsec errors, and how many were added within a second. */
  errors: z.record(z.string(), z.object({ total: z.number(), added: z.number() })).default({}),
  /** Algorithms and modules, by name; empty where the kernel does not say. */
  modules: z.array(z.string()).default([]),
});

export type HostReport = z.output<typeof hostReport>;
