import type { CryptoProvider } from '../../crypto/types.ts';
import type { SaLifetime } from '../../dataplane/types.ts';
import type { ConnectionConfig, ProposalConfig } from '../../ike/types.ts';
import type { WantedInitiation } from '../../mesh/initiation.ts';
import type { ExemptionFields } from './exemption.ts';
import type { ConfigFault, FieldPath } from './fault.ts';
import { defaultProposals, usableProposal } from './proposals.ts';
import type { SettingFields } from './schema.ts';

/** What the file says of a peer beside who and where it is, with the built-in value for whatever it leaves out. */
export interface Settings
  extends Pick<
    ConnectionConfig,
    | 'proposals'
    | 'natTraversal'
    | 'mssClamp'
    | 'liveness'
    | 'fragmentBytes'
    | 'childless'
    | 'ikeLifetimeMs'
    | 'reauthenticationMs'
  > {
  readonly initiation: WantedInitiation;
  readonly enforcement: 'Required' | 'Permissive';
  readonly exempt: readonly ExemptionFields[];
  readonly espProposals: readonly ProposalConfig[];
  readonly lifetime: SaLifetime;
}

/** The settings of what stands at `path`: its own before those of `defaults`. */
export function resolveSettings(
  own: SettingFields,
  path: FieldPath,
  around: { readonly defaults: SettingFields; readonly provider: CryptoProvider },
  faults: ConfigFault[],
): Settings {
  const { defaults } = around;
  const lifetimes = { ...defaults.lifetimes, ...own.lifetimes };
  const proposalsOf = (protocol: 'ike' | 'esp') => configuredProposals(protocol, own, path, around, faults);
  const fragmentBytes = own.fragmentSize ?? defaults.fragmentSize;
  const mssClamp = own.mssClamp === undefined ? defaults.mssClamp : own.mssClamp;
  const childless = (own.childless ?? defaults.childless) === 'Prefer';
  return {
    initiation: own.initiation ?? defaults.initiation ?? 'Always',
    enforcement: own.enforcement ?? defaults.enforcement ?? 'Required',
    exempt: own.exempt ?? defaults.exempt ?? [],
    proposals: proposalsOf('ike'),
    espProposals: proposalsOf('esp'),
    natTraversal: own.natTraversal ?? defaults.natTraversal ?? 'Auto',
    liveness: livenessOf(own, path, defaults, faults),
    ...(mssClamp === undefined || mssClamp === null ? {} : { mssClamp }),
    ...(fragmentBytes === undefined ? {} : { fragmentBytes }),
    ...(childless ? { childless } : {}),
    lifetime: childLifetime(lifetimes),
    ikeLifetimeMs: lifetimes.ike ?? DEFAULT_IKE_LIFETIME_MS,
    ...(lifetimes.reauthentication === undefined ? {} : { reauthenticationMs: lifetimes.reauthentication }),
  };
}

function configuredProposals(
  protocol: 'ike' | 'esp',
  fields: SettingFields,
  path: FieldPath,
  around: { readonly defaults: SettingFields; readonly provider: CryptoProvider },
  faults: ConfigFault[],
): readonly ProposalConfig[] {
  const own = fields.proposals?.[protocol];
  const written = own ?? around.defaults.proposals?.[protocol];
  if (written === undefined) return defaultProposals(protocol, around.provider);
  return written.flatMap((proposal, index) => {
    const usable = usableProposal(protocol, proposal, around.provider);
    if (usable.ok) return [usable.value];
    // Those of `defaults` are judged there, once.
    if (own !== undefined) faults.push({ path: [...path, 'proposals', protocol, index], text: usable.error });
    return [];
  });
}

function livenessOf(
  fields: SettingFields,
  path: FieldPath,
  defaults: SettingFields,
  faults: ConfigFault[],
): ConnectionConfig['liveness'] {
  const liveness = { ...defaults.liveness, ...fields.liveness };
  const intervalMs = liveness.interval ?? DEFAULT_LIVENESS_INTERVAL_MS;
  const timeoutMs = liveness.timeout ?? DEFAULT_LIVENESS_TIMEOUT_MS;
  if (timeoutMs < intervalMs) {
    faults.push({
      path: [...path, 'liveness'],
      text: `the timeout (${timeoutMs / 1_000}s) is shorter than the interval (${intervalMs / 1_000}s)`,
    });
  }
  return { intervalMs, timeoutMs };
}

/**
 * The hard limits are later than the soft ones by what an absent agent may miss: the kernel must not remove an SA that
 * nobody is there to replace.
 */
function childLifetime(lifetimes: NonNullable<SettingFields['lifetimes']>): SaLifetime {
  const softSeconds = Math.ceil((lifetimes.child ?? DEFAULT_CHILD_LIFETIME_MS) / 1_000);
  const softBytes = lifetimes.childBytes ?? DEFAULT_CHILD_BYTES;
  const outageSeconds = Math.max(
    Math.ceil((lifetimes.maxAgentOutage ?? DEFAULT_OUTAGE_MS) / 1_000),
    LEAST_OUTAGE_SECONDS,
  );
  return {
    softSeconds,
    hardSeconds: softSeconds + outageSeconds,
    softBytes,
    hardBytes: softBytes + outageSeconds * FASTEST_LINK_BYTES_PER_SECOND,
  };
}

const DEFAULT_IKE_LIFETIME_MS = 4 * 3_600_000;
const DEFAULT_CHILD_LIFETIME_MS = 3_600_000;
const DEFAULT_CHILD_BYTES = 64 * 2 ** 30;
const DEFAULT_OUTAGE_MS = 3_600_000;
const DEFAULT_LIVENESS_INTERVAL_MS = 30_000;
const DEFAULT_LIVENESS_TIMEOUT_MS = 120_000;
/** A successor must be negotiated between the soft and the hard limit even where no outage is to be bridged. */
const LEAST_OUTAGE_SECONDS = 60;
/** 100 Gbit/s: what an SA may carry while nobody rekeys it. */
const FASTEST_LINK_BYTES_PER_SECOND = 12_500_000_000;
