import { err, ok, type Result } from '../result.ts';
import { isOurIndex, isOurReqid } from './ownership.ts';
import { describeKey, describeSa, refusalText } from './texts.ts';
import type {
  DataplaneCommand,
  DataplaneError,
  DataplaneEvent,
  InstalledPolicy,
  InstalledSa,
  PolicyKey,
  PolicySpec,
  SaId,
  SaSpec,
  UdpEncapsulation,
} from './types.ts';

/** The kernel's no to one call. */
export interface KernelRefusal {
  /** `EEXIST`, `ESRCH`, … */
  readonly errno: string;
  /** The kernel's own words (its extended acknowledgement), empty where it has none. */
  readonly reason: string;
}

/** What a kernel can do, without regard to whose objects they are: Linux (`xfrm/`) or a fake of it (`memory/`). */
export interface KernelCalls {
  /** Keeps what comes for an inbound SA that is not there yet; `newSa` hands it over. The refusal is in words for people. */
  awaitSa(id: SaId): Result<void, KernelRefusal>;
  /** Lets go of what was kept, if anything was. */
  forgetSa(id: SaId): void;
  /** NEWSA. EEXIST where the destination has that SPI already. */
  newSa(sa: SaSpec): Result<void, KernelRefusal>;
  /** GETSA. ESRCH if there is none. */
  sa(id: SaId): Result<InstalledSa, KernelRefusal>;
  /** DELSA. */
  deleteSa(id: SaId): Result<void, KernelRefusal>;
  /** UPDSA of an SA in UDP, with other outer ports and everything else as it is. ESRCH if there is none. */
  updateEncapsulation(id: SaId, udpEncapsulation: UdpEncapsulation): Result<void, KernelRefusal>;
  /** UPDPOLICY: creates it, or replaces the one with the same key. */
  updatePolicy(policy: PolicySpec): Result<void, KernelRefusal>;
  /** GETPOLICY. ESRCH or ENOENT if there is none. */
  policy(key: PolicyKey): Result<InstalledPolicy, KernelRefusal>;
  /** DELPOLICY. */
  deletePolicy(key: PolicyKey): Result<void, KernelRefusal>;
}

/**
 * Carries out one command on a kernel and keeps to what is ours: an object of somebody else is neither replaced nor
 * deleted, and the command fails with CONFLICT. Returns the event that the command asks for, if any. The keys of an
 * `addSa` are wiped, whatever the outcome.
 */
export function executeCommand(
  kernel: KernelCalls,
  command: DataplaneCommand,
): Result<DataplaneEvent | undefined, DataplaneError> {
  switch (command.kind) {
    case 'addSa': {
      const outcome = addSa(kernel, command.sa);
      wipeKeys(command);
      return outcome;
    }
    case 'awaitSa':
      return awaitSa(kernel, command.id);
    case 'forgetSa':
      kernel.forgetSa(command.id);
      return DONE;
    case 'deleteSa':
      return deleteSa(kernel, command.id);
    case 'updateEncapsulation':
      return updateEncapsulation(kernel, command.id, command.udpEncapsulation);
    case 'putPolicy':
      return putPolicy(kernel, command.policy);
    case 'deletePolicy':
      return deletePolicy(kernel, command.key);
    case 'queryCounters':
      return queryCounters(kernel, command.id);
  }
}

/** The error of a command that is refused without being tried. Its keys are wiped all the same. */
export function refuseCommand(command: DataplaneCommand, refusal: KernelRefusal): DataplaneError {
  wipeKeys(command);
  return refused(command.kind, describeObject(command), refusal);
}

type Outcome = Result<DataplaneEvent | undefined, DataplaneError>;

function addSa(kernel: KernelCalls, sa: SaSpec): Outcome {
  if (!isOurReqid(sa.reqid)) return err(notOurs('addSa', describeSa(sa.id), `reqid ${sa.reqid}`));
  const added = kernel.newSa(sa);
  return added.ok ? DONE : err(refused('addSa', describeSa(sa.id), added.error));
}

function awaitSa(kernel: KernelCalls, id: SaId): Outcome {
  const awaited = kernel.awaitSa(id);
  if (awaited.ok) return DONE;
  const { errno, reason: message } = awaited.error;
  return err({ kind: 'dataplaneError', command: 'awaitSa', object: describeSa(id), errno, message });
}

function deleteSa(kernel: KernelCalls, id: SaId): Outcome {
  const object = describeSa(id);
  const present = kernel.sa(id);
  if (!present.ok) return isAbsent(present.error) ? DONE : err(refused('deleteSa', object, present.error));
  if (!present.value.ours) return err(foreign('deleteSa', object, `its reqid ${present.value.reqid} is not of ours`));
  const deleted = kernel.deleteSa(id);
  return deleted.ok || isAbsent(deleted.error) ? DONE : err(refused('deleteSa', object, deleted.error));
}

function updateEncapsulation(kernel: KernelCalls, id: SaId, udpEncapsulation: UdpEncapsulation): Outcome {
  const object = describeSa(id);
  const present = kernel.sa(id);
  if (!present.ok) return err(refused('updateEncapsulation', object, present.error));
  const { ours, reqid, udpEncapsulation: before } = present.value;
  if (!ours) return err(foreign('updateEncapsulation', object, `its reqid ${reqid} is not of ours`));
  if (before === undefined) return err(notInUdp(object));
  const updated = kernel.updateEncapsulation(id, udpEncapsulation);
  return updated.ok ? DONE : err(refused('updateEncapsulation', object, updated.error));
}

function putPolicy(kernel: KernelCalls, policy: PolicySpec): Outcome {
  if (!isOurIndex(policy.index)) return err(notOurs('putPolicy', describeKey(policy), `index ${policy.index}`));
  const present = kernel.policy(policy);
  if (!present.ok && !isAbsent(present.error)) return err(refused('putPolicy', describeKey(policy), present.error));
  if (present.ok && !present.value.ours) return err(foreignPolicy('putPolicy', describeKey(policy), present.value));
  const put = kernel.updatePolicy(policy);
  if (!put.ok) return err(refused('putPolicy', describeKey(policy), put.error));
  return present.ok ? DONE : confirmIndex(kernel, policy);
}

/** A new policy whose index is taken silently gets one that we would not know again: it must not stay. */
function confirmIndex(kernel: KernelCalls, policy: PolicySpec): Outcome {
  const created = kernel.policy(policy);
  if (!created.ok) return err(refused('putPolicy', describeKey(policy), created.error));
  if (created.value.index === policy.index) return DONE;
  kernel.deletePolicy(policy);
  return err({
    kind: 'dataplaneError',
    command: 'putPolicy',
    object: describeKey(policy),
    errno: 'EEXIST',
    message: `another policy has the index ${policy.index}; the policy was not installed and needs an index of its own`,
  });
}

function deletePolicy(kernel: KernelCalls, key: PolicyKey): Outcome {
  const object = describeKey(key);
  const present = kernel.policy(key);
  if (!present.ok) return isAbsent(present.error) ? DONE : err(refused('deletePolicy', object, present.error));
  if (!present.value.ours) return err(foreignPolicy('deletePolicy', object, present.value));
  const deleted = kernel.deletePolicy(key);
  return deleted.ok || isAbsent(deleted.error) ? DONE : err(refused('deletePolicy', object, deleted.error));
}

function queryCounters(kernel: KernelCalls, id: SaId): Outcome {
  const present = kernel.sa(id);
  if (!present.ok) return err(refused('queryCounters', describeSa(id), present.error));
  const { reqid, packets, bytes } = present.value;
  return ok({ kind: 'counters', id, reqid, packets, bytes });
}

function wipeKeys(command: DataplaneCommand): void {
  if (command.kind !== 'addSa') return;
  command.sa.encryptionKey.wipe();
  command.sa.integrityKey.wipe();
}

function describeObject(command: DataplaneCommand): string {
  switch (command.kind) {
    case 'addSa':
      return describeSa(command.sa.id);
    case 'awaitSa':
    case 'forgetSa':
    case 'deleteSa':
    case 'updateEncapsulation':
    case 'queryCounters':
      return describeSa(command.id);
    case 'putPolicy':
      return describeKey(command.policy);
    case 'deletePolicy':
      return describeKey(command.key);
  }
}

function refused(command: DataplaneError['command'], object: string, refusal: KernelRefusal): DataplaneError {
  return { kind: 'dataplaneError', command, object, errno: refusal.errno, message: refusalText(refusal) };
}

function foreignPolicy(command: DataplaneError['command'], object: string, policy: InstalledPolicy): DataplaneError {
  return foreign(command, object, `its index ${policy.index} is not of ours`);
}

function foreign(command: DataplaneError['command'], object: string, evidence: string): DataplaneError {
  return {
    kind: 'dataplaneError',
    command,
    object,
    errno: 'CONFLICT',
    message: `belongs to another program (${evidence}) and was left alone; remove it there or change the selectors`,
  };
}

function notOurs(command: DataplaneError['command'], object: string, number: string): DataplaneError {
  const message = `${number} is not of our range, so the object could not be known as ours again; it was not installed`;
  return { kind: 'dataplaneError', command, object, errno: 'EINVAL', message };
}

function notInUdp(object: string): DataplaneError {
  const message = 'its ESP is not in UDP, which an SA is from its beginning or never; it was left as it is';
  return { kind: 'dataplaneError', command: 'updateEncapsulation', object, errno: 'EINVAL', message };
}

function isAbsent(refusal: KernelRefusal): boolean {
  return refusal.errno === 'ESRCH' || refusal.errno === 'ENOENT';
}

const DONE: Outcome = ok(undefined);
