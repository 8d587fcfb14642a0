import * as z from 'zod';

import { parseProposal } from '../../ike/negotiation/proposal-syntax.ts';
import type { ProposalConfig } from '../../ike/types.ts';
import { parseListenAddress } from '../../metrics/listen-address.ts';
import { err, ok, type Result } from '../../result.ts';
import { type IpAddress, parseZonedAddress } from '../../wire/ip-address.ts';
import { authenticationSchema, defaultAuthenticationSchema } from './authentication-schema.ts';
import { identityOf } from './identity.ts';
import {
  MAX_ADDRESSES,
  MAX_CHILDREN,
  MAX_EXEMPTIONS,
  MAX_FRAGMENT_BYTES,
  MAX_LIFETIME_MS,
  MAX_LIVENESS_MS,
  MAX_PEERS,
  MAX_PORT_RANGES,
  MAX_PROPOSALS,
  MAX_SELECTORS,
  MIN_FRAGMENT_BYTES,
  MIN_LIFETIME_MS,
  MIN_LIVENESS_MS,
} from './limits.ts';
import {
  hasPorts,
  isHostName,
  parseByteCount,
  parseDuration,
  parseHostAddress,
  parseMssClamp,
  parseNetwork,
  parseProtocol,
  quoted,
} from './scalars.ts';

/** Where a peer is: at an address, behind a name that must be resolved, or anywhere. */
export type PeerAddress =
  | { readonly kind: 'address'; readonly address: IpAddress }
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'any' };

const name = text(parseName);
const address = text(parseHostAddress);
const network = text(parseNetwork);
const portRange = z.strictObject({ from: port(), to: port().optional() }).transform((range, context) => {
  const to = range.to ?? range.from;
  if (to < range.from) context.addIssue({ code: 'custom', path: ['to'], message: `is below from (${range.from})` });
  return { from: range.from, to };
});
const portRanges = z.array(portRange).min(1).max(MAX_PORT_RANGES);

const identity = z
  .strictObject({
    fqdn: z.string().optional(),
    email: z.string().optional(),
    ip: z.string().optional(),
    dn: z.string().optional(),
    keyId: z.string().optional(),
  })
  .transform((fields, context) => transformed(identityOf(fields), context));

const proposals = z.strictObject({
  ike: z.array(proposal('ike')).min(1).max(MAX_PROPOSALS).optional(),
  esp: z.array(proposal('esp')).min(1).max(MAX_PROPOSALS).optional(),
});

const lifetimes = z.strictObject({
  ike: duration(MIN_LIFETIME_MS, MAX_LIFETIME_MS).optional(),
  child: duration(MIN_LIFETIME_MS, MAX_LIFETIME_MS).optional(),
  childBytes: scalar(z.union([z.string(), z.number()]), parseByteCount).optional(),
  maxAgentOutage: duration(0, MAX_LIFETIME_MS).optional(),
  reauthentication: duration(MIN_LIFETIME_MS, MAX_LIFETIME_MS).optional(),
});

const liveness = z.strictObject({
  interval: duration(MIN_LIVENESS_MS, MAX_LIVENESS_MS).optional(),
  timeout: duration(MIN_LIVENESS_MS, MAX_LIVENESS_MS).optional(),
});

/** What stays in plaintext. */
export const exemptionSchema = z
  .strictObject({
    protocol: scalar(z.union([z.string(), z.number()]), parseProtocol).optional(),
    ports: portRanges.optional(),
    cidr: network,
    direction: z.enum(['Both', 'Inbound', 'Outbound']).default('Both'),
    stage: z.enum(['Accept', 'Send']).default('Send'),
  })
  .superRefine(({ protocol, ports, cidr }, context) => {
    const refuse = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
    if (ports !== undefined && !hasPorts(protocol ?? 0)) {
      const why = protocol === undefined ? 'needs a protocol beside it' : 'the protocol has no ports';
      refuse('ports', `${why}: write protocol: TCP, UDP or SCTP`);
    }
    if (ports === undefined && cidr.prefixLength === 0)
      refuse('cidr', 'exempts all addresses with all ports: narrow it, or write protocol and ports');
  });

const enforcement = z.enum(['Permissive', 'Required']);

/** What a peer may say for itself and `defaults` for all. */
const settings = {
  enforcement: enforcement.optional(),
  exempt: z.array(exemptionSchema).max(MAX_EXEMPTIONS).optional(),
  proposals: proposals.optional(),
  lifetimes: lifetimes.optional(),
  liveness: liveness.optional(),
  natTraversal: z.enum(['Auto', 'Always', 'Never']).optional(),
  mssClamp: scalar(z.union([z.string(), z.number()]), parseMssClamp).optional(),
  initiation: z.enum(['Always', 'OnDemand', 'Never']).optional(),
  childless: z.enum(['Allow', 'Prefer']).optional(),
  fragmentSize: z.number().int().min(MIN_FRAGMENT_BYTES).max(MAX_FRAGMENT_BYTES).optional(),
};

const child = z.strictObject({
  name,
  mode: z.enum(['Transport', 'Tunnel']).optional(),
  selectors: z
    .array(
      z.strictObject({
        local: network.optional(),
        remote: network.optional(),
        protocol: scalar(z.union([z.string(), z.number()]), parseProtocol).optional(),
        ports: portRanges.optional(),
        localPorts: portRanges.optional(),
      }),
    )
    .min(1)
    .max(MAX_SELECTORS)
    .optional(),
  enforcement: enforcement.optional(),
});

/** The file's outermost fields; their values are checked one by one so that a fault in one hides none in another. */
export const fileSchema = z.strictObject({
  node: z.unknown().optional(),
  metrics: z.unknown().optional(),
  defaults: z.unknown().optional(),
  mesh: z.unknown().optional(),
  peers: z.array(z.unknown()).max(MAX_PEERS).optional(),
});

/** `node`: who this host is. */
export const nodeSchema = z.strictObject({
  name,
  identity,
  addresses: z.array(address).min(1).max(MAX_ADDRESSES),
});

/** `metrics`: where Prometheus finds them, and people a page. */
export const metricsSchema = z.strictObject({
  listen: text(parseListenAddress),
  peers: z.boolean().optional(),
  statusPage: z.boolean().optional(),
});

/** `defaults`: what a peer that leaves it out gets. */
export const defaultsSchema = z.strictObject({ ...settings, authentication: defaultAuthenticationSchema.optional() });

/** `mesh`: every node of the list is a peer of every other. */
export const meshSchema = z.strictObject({
  trustDomain: text(parseDomain).optional(),
  nodes: z
    .array(
      z.strictObject({ name, identity: identity.optional(), addresses: z.array(address).min(1).max(MAX_ADDRESSES) }),
    )
    .min(1)
    .max(MAX_PEERS),
  authentication: defaultAuthenticationSchema.optional(),
  ...settings,
});

/** One of `peers`. */
export const peerSchema = z.strictObject({
  name,
  address: text(parsePeerAddress),
  localAddress: address.optional(),
  identity,
  authentication: authenticationSchema.optional(),
  children: z.array(child).min(1).max(MAX_CHILDREN).optional(),
  ...settings,
});

export type NodeFields = z.infer<typeof nodeSchema>;
export type MeshFields = z.infer<typeof meshSchema>;
export type PeerFields = z.infer<typeof peerSchema>;
export type ChildFields = z.infer<typeof child>;
export type SelectorFields = NonNullable<ChildFields['selectors']>[number];
export type SettingFields = z.infer<typeof defaultsSchema>;

/** A string that `parse` turns into a value or refuses with a sentence. */
function text<T>(parse: (value: string) => Result<T, string>) {
  return scalar(z.string(), parse);
}

function scalar<In extends string | number, T>(schema: z.ZodType<In>, parse: (value: In) => Result<T, string>) {
  return schema.transform((value, context) => transformed(parse(value), context));
}

function transformed<T>(result: Result<T, string>, context: z.RefinementCtx): T {
  if (result.ok) return result.value;
  context.addIssue({ code: 'custom', message: result.error });
  return z.NEVER;
}

function duration(least: number, most: number) {
  return text((value) => {
    const parsed = parseDuration(value);
    if (!parsed.ok) return parsed;
    if (parsed.value >= least && parsed.value <= most) return parsed;
    return err(`${value} is out of range: write ${least / 1_000}s to ${most / 1_000}s`);
  });
}

function proposal(protocol: 'ike' | 'esp') {
  return text((value): Result<{ readonly text: string; readonly proposal: ProposalConfig }, string> => {
    const parsed = parseProposal(protocol, value);
    return parsed.ok ? ok({ text: value, proposal: parsed.value }) : err(`${quoted(value)} ${parsed.error}`);
  });
}

function port() {
  return z.number().int().min(0).max(65_535);
}

function parseName(value: string): Result<string, string> {
  if (NAME.test(value)) return ok(value);
  return err(
    `${quoted(value)} is no name: use 1 to 63 letters, digits, ".", "_" and "-", a letter or digit first and last`,
  );
}

function parseDomain(value: string): Result<string, string> {
  return isHostName(value) ? ok(value) : err(`${quoted(value)} is no domain, such as mesh.test`);
}

function parsePeerAddress(value: string): Result<PeerAddress, string> {
  if (value === 'any') return ok({ kind: 'any' });
  if (parseZonedAddress(value) !== undefined) {
    const parsed = parseHostAddress(value);
    return parsed.ok ? ok({ kind: 'address', address: parsed.value }) : parsed;
  }
  if (isHostName(value)) return ok({ kind: 'host', host: value });
  return err(`${quoted(value)} is neither an IP address nor a host name nor "any"`);
}

const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
