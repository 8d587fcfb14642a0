import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import type { DataplaneCommand } from '../../agent/dataplane/types.ts';
import { ok } from '../../agent/result.ts';
import type { MemoryReadings } from './memory.ts';
import { readMemory } from './memory-reading.ts';
import { type Execute, TwoEnds } from './two-ends.ts';

/*
 * The process that the memory bench reads: `node --expose-gc memory-process.ts IKE_SAS` writes its readings as JSON.
 */

/** Establishes `ikeSas` pairs and reads before, between and after. */
function readings(ikeSas: number): MemoryReadings {
  const ends = new TwoEnds({ crypto: opensslProvider, kernel: elsewhere });
  // Code and tables that grow once are not the SAs' memory.
  ends.configure(0, WARM_UP);
  establish(ends, 0, WARM_UP);
  const empty = readMemory();
  ends.configure(WARM_UP, WARM_UP + ikeSas);
  const configured = readMemory();
  establish(ends, WARM_UP, WARM_UP + ikeSas);
  const established = readMemory();
  // Asking afterwards keeps both ends alive until then.
  if (ends.childSas !== 2 * (WARM_UP + ikeSas)) throw new Error('an IKE SA got lost');
  return { empty, configured, established };
}

function establish(ends: TwoEnds, from: number, to: number): void {
  for (let number = from; number < to; number += 1) ends.establish(number);
}

/** SAs and policies are in the kernel's memory; here their keys are wiped and that is all. */
function elsewhere(): Execute {
  return (command: DataplaneCommand) => {
    if (command.kind === 'addSa') {
      command.sa.encryptionKey.wipe();
      command.sa.integrityKey.wipe();
    }
    return ok(undefined);
  };
}

const WARM_UP = 500;

process.stdout.write(JSON.stringify(readings(Number(process.argv[2]))));
