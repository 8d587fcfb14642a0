import { policyKeyText } from '../dataplane/texts.ts';
import type { DataplaneCommand } from '../dataplane/types.ts';
import { policyCommands } from '../ike/child/policies.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import type { Dataplane } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { nextPolicySequence } from './agent.ts';
import { bypassPolicies, withFreeIndexes } from './bypass.ts';
import type { PlannedConnection } from './config/agent-config.ts';
import { assignReqids } from './config/assign-reqids.ts';
import { IKE_PORTS } from './transport-udp.ts';

/** What was installed. */
export interface Blocked {
  readonly installed: number;
  /** Policies that were there already, of an agent that runs or has run. */
  readonly present: number;
  /** What the kernel refused. */
  readonly failed: readonly string[];
}

/**
 * Installs the policies that an agent would begin with, and nothing else: what is Required is blocked from here on, until
 * the agent starts and negotiates SAs. Nothing that is there is changed, so that it does no harm beside an agent.
 */
export function block(dataplane: Dataplane, planned: readonly PlannedConnection[]): Result<Blocked, string> {
  const dumped = dataplane.dump();
  if (!dumped.ok) return err(`the kernel's policies cannot be read: ${dumped.error.message}`);
  const snapshot = dumped.value;
  const there = new Set(snapshot.policies.map(policyKeyText));
  const indexes = { next: nextPolicySequence(snapshot) };
  const bypasses = bypassPolicies(
    IKE_PORTS,
    planned.map(({ localAddress }) => localAddress),
  );
  const commands: DataplaneCommand[] = withFreeIndexes(bypasses, snapshot.policies).map((policy) => ({
    kind: 'putPolicy',
    policy,
  }));
  for (const config of assignReqids(planned, [], snapshot)) {
    const remoteAddress = config.remoteAddress === 'any' ? undefined : config.remoteAddress;
    commands.push(...policyCommands({ config, remoteAddress }, [], new Map(), indexes, DEFAULT_LIMITS, true));
  }
  const failed: string[] = [];
  let installed = 0;
  let present = 0;
  for (const command of commands) {
    if (command.kind !== 'putPolicy') continue;
    const key = policyKeyText(command.policy);
    if (there.has(key)) {
      present += 1;
      continue;
    }
    const done = dataplane.execute(command);
    if (done.ok) installed += 1;
    else failed.push(`${key}: ${done.error.message}`);
    there.add(key);
  }
  return ok({ installed, present, failed });
}
