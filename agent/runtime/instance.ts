import { readFileSync } from 'node:fs';

import type { AgentInstance } from '../ike/types.ts';
import type { Random } from '../ports.ts';

/**
 * Names of this run for peers that are agents too. Undefined where the kernel does not say which boot this is: then
 * nothing is claimed, and peers find out as those of any other daemon do.
 */
export function agentInstance(random: Random, bootIdFile = BOOT_ID_FILE): AgentInstance | undefined {
  const bootId = bootIdOf(bootIdFile);
  if (bootId === undefined) return undefined;
  const instance = new Uint8Array(INSTANCE_BYTES);
  random.fill(instance);
  return { bootId, instance };
}

function bootIdOf(file: string): Uint8Array | undefined {
  try {
    const digits = readFileSync(file, 'latin1').trim().replaceAll('-', '');
    return UUID.test(digits) ? Uint8Array.from(Buffer.from(digits, 'hex')) : undefined;
  } catch {
    // Such as a kernel without /proc mounted; whatever the reason, the boot has no name.
    return undefined;
  }
}

/** A UUID that the kernel draws when it boots (random(4)). */
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
const UUID = /^[0-9a-f]{32}$/u;
const INSTANCE_BYTES = 8;
