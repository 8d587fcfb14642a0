import type { SecretBytes } from '../../crypto/secret.ts';
import { transformTypes } from '../../crypto/suites.ts';
import type { EphemeralKey } from '../../crypto/types.ts';
import { err, ok, type Result } from '../../result.ts';
import type { KePayload } from '../../wire/payloads/ke.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { Core } from '../core.ts';
import { notify } from '../message/notify.ts';
import type { Refusal } from '../outcome.ts';
import type { ProposalConfig } from '../types.ts';

/** The key exchanges of proposals that the provider has, in order of preference. */
export function groupsOf(core: Core, proposals: readonly ProposalConfig[]): readonly number[] {
  const groups: number[] = [];
  for (const { algorithms } of proposals) {
    for (const { type, id } of algorithms) {
      if (type === transformTypes.keyExchange && core.context.crypto.keyExchange(id) !== undefined) groups.push(id);
    }
  }
  return groups;
}

/** Our key for a request in CREATE_CHILD_SA; undefined where there is none to exchange. */
export function ownKey(
  core: Core,
  group: number | undefined,
): { readonly group: number; readonly ephemeral: EphemeralKey } | undefined {
  const { crypto, random } = core.context;
  const ephemeral = group === undefined ? undefined : crypto.keyExchange(group)?.generate(random.keys);
  return group === undefined || ephemeral === undefined ? undefined : { group, ephemeral };
}

/** Our half of a key exchange in CREATE_CHILD_SA, of the group that was chosen; 0 for none (RFC 7296 §1.3). */
export function answerKeyExchange(
  core: Core,
  group: number,
  ke: KePayload | undefined,
): Result<{ readonly ke: readonly Payload[]; readonly secret: SecretBytes | undefined }, Refusal> {
  if (group === 0) return ok({ ke: [], secret: undefined });
  const method = core.context.crypto.keyExchange(group);
  if (method === undefined) return refuse(NotifyType.NO_PROPOSAL_CHOSEN, `group ${group} is not available`);
  if (ke === undefined || ke.group !== group) {
    const data = new Uint8Array([group >> 8, group & 0xff]);
    return refuse(NotifyType.INVALID_KE_PAYLOAD, `the chosen group is ${group}`, data);
  }
  const ephemeral = method.generate(core.context.random.keys);
  const derived = ephemeral.derive(ke.data);
  const data = ephemeral.publicValue;
  ephemeral.wipe();
  if (!derived.ok) return refuse(NotifyType.INVALID_SYNTAX, 'the public value is invalid');
  return ok({ ke: [{ kind: 'ke', group, data }], secret: derived.value });
}

function refuse(notifyType: number, text: string, data?: Uint8Array): Result<never, Refusal> {
  return err({ kind: 'answer', notify: notify(notifyType, data), text });
}
