import type { CryptoProvider } from '../crypto/types.ts';
import type { KernelSnapshot } from '../dataplane/types.ts';
import { wipeSecrets } from '../ike/negotiation/authentication.ts';
import { err, ok, type Result } from '../result.ts';
import { bypassPolicies } from './bypass.ts';
import { systemClock } from './clock-system.ts';
import { assignReqids } from './config/assign-reqids.ts';
import { formatFaults } from './config/fault.ts';
import { loadConfig } from './config/load-config.ts';
import { planText } from './config/plan-text.ts';
import { resolveHost } from './config/resolve-host.ts';
import { IKE_PORTS } from './transport-udp.ts';

/** What `--check` has to say. */
export interface CheckReport {
  readonly plan: string;
  readonly warnings: readonly string[];
}

/** Reads a configuration and compares it with the kernel, without touching anything; or the faults, one a line. */
export async function checkConfig(
  file: string,
  provider: CryptoProvider,
  dumpKernel: () => Result<KernelSnapshot, string>,
): Promise<Result<CheckReport, readonly string[]>> {
  const loaded = await loadConfig(file, { provider, resolveHost, clock: systemClock });
  if (!loaded.ok) return err(formatFaults(file, loaded.error));
  const { nodeName, addresses, connections, warnings, unresolved = [], credentials } = loaded.value;
  const dumped = dumpKernel();
  const plan = planText({
    nodeName,
    addresses,
    connections: assignReqids(connections, [], dumped.ok ? dumped.value : { sas: [], policies: [] }),
    bypasses: bypassPolicies(IKE_PORTS, addresses),
    watched: credentials.watched,
    kernel: dumped.ok ? dumped.value : dumped.error,
  });
  for (const connection of connections) wipeSecrets(connection);
  return ok({ plan, warnings: formatFaults(file, [...warnings, ...unresolved.map(({ fault }) => fault)]) });
}
