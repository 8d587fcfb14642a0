import { describe, expect, it } from 'vitest';

import { NotifyType } from '../../wire/registry.ts';
import { decide, type OwnOperation, type PeerRequest, react, type Target } from './collision.ts';

type Rule = readonly [PeerRequest, OwnOperation | readonly OwnOperation[], Target, string];

const CHILD_OPERATIONS = ['createChild', 'rekeyChild', 'deleteChild'] as const;

/** The sentences of RFC 7296 §2.25.1 and §2.25.2, in their order. */
const RULES: readonly (readonly [string, Rule])[] = [
  ['rekey of a Child SA that we are closing', ['rekeyChild', 'deleteChild', 'same', 'temporaryFailure']],
  ['rekey of a Child SA that we are rekeying', ['rekeyChild', 'rekeyChild', 'same', 'grantAndCompare']],
  ['rekey of a Child SA that does not exist', ['rekeyChild', ['none', 'deleteChild'], 'unknown', 'childSaNotFound']],
  ['close of a Child SA that we are closing', ['deleteChild', 'deleteChild', 'same', 'acknowledge']],
  ['close of a Child SA that we are rekeying', ['deleteChild', 'rekeyChild', 'same', 'grant']],
  ['close of a Child SA that does not exist', ['deleteChild', ['none', ...CHILD_OPERATIONS], 'unknown', 'acknowledge']],
  ['rekey of the IKE SA while a Child SA changes', ['rekeyIkeSa', CHILD_OPERATIONS, 'other', 'temporaryFailure']],
  ['rekey of an IKE SA that we are rekeying', ['rekeyIkeSa', 'rekeyIkeSa', 'other', 'grantAndCompare']],
  ['rekey of an IKE SA that we are closing', ['rekeyIkeSa', 'deleteIkeSa', 'other', 'temporaryFailure']],
  ['close of an IKE SA that we are rekeying', ['deleteIkeSa', 'rekeyIkeSa', 'other', 'grantAndForgetOwn']],
  ['close of an IKE SA that we are closing', ['deleteIkeSa', 'deleteIkeSa', 'other', 'grantAndForgetOwn']],
  ['a new Child SA while we rekey the IKE SA', ['createChild', 'rekeyIkeSa', 'other', 'temporaryFailure']],
  ['rekey of a Child SA while we rekey the IKE SA', ['rekeyChild', 'rekeyIkeSa', 'other', 'temporaryFailure']],
  ['close of a Child SA while we rekey the IKE SA', ['deleteChild', 'rekeyIkeSa', 'other', 'grant']],
  // §2.8.2: an IKE SA that has been rekeyed is being closed, whether its Delete has been sent or not.
  ['rekey of an IKE SA that has been rekeyed', ['rekeyIkeSa', 'rekeyedIkeSa', 'other', 'temporaryFailure']],
  ['anything about Child SAs on it', ['createChild', 'rekeyedIkeSa', 'other', 'temporaryFailure']],
  ['rekey of a Child SA on it', ['rekeyChild', 'rekeyedIkeSa', 'unknown', 'temporaryFailure']],
  ['close of it', ['deleteIkeSa', 'rekeyedIkeSa', 'other', 'grant']],
  // Ours to say, where the RFC is silent.
  [
    'rekey of what may be just granted to us',
    ['rekeyChild', ['createChild', 'rekeyChild'], 'unknown', 'temporaryFailure'],
  ],
  [
    'rekey of a Child SA that has been rekeyed',
    ['rekeyChild', ['none', ...CHILD_OPERATIONS], 'leaving', 'temporaryFailure'],
  ],
  ['close of a Child SA that has been rekeyed', ['deleteChild', ['none', ...CHILD_OPERATIONS], 'leaving', 'grant']],
  ['the Child SA that we create', ['createChild', 'createChild', 'same', 'grantToInitiator']],
  ['another Child SA than the one that we create', ['createChild', CHILD_OPERATIONS, 'other', 'grant']],
  ['anything while nothing is under way', ['rekeyChild', 'none', 'other', 'grant']],
  ['rekey of the IKE SA while nothing is under way', ['rekeyIkeSa', 'none', 'other', 'grant']],
];

describe('a request of the peer that meets something of ours (RFC 7296 §2.25)', () => {
  it.each(RULES)('%s', (_, [request, own, target, decision]) => {
    for (const each of typeof own === 'string' ? [own] : own) {
      expect(decide(request, each, target), `${request} meets ${each}`).toBe(decision);
    }
  });

  it('never gets two answers: what both ask for at once is granted by both, or by one of the two at least once', () => {
    const granted = (request: PeerRequest, own: OwnOperation) => decide(request, own, 'same').startsWith('grant');
    for (const kind of ['createChild', 'rekeyChild', 'rekeyIkeSa', 'deleteIkeSa'] as const) {
      expect(granted(kind, kind), kind).toBe(true);
    }
  });

  it('is never granted on an IKE SA that ends, but for what ends it', () => {
    for (const own of ['deleteIkeSa', 'rekeyedIkeSa'] as const) {
      for (const request of ['createChild', 'rekeyChild', 'rekeyIkeSa'] as const) {
        for (const target of ['same', 'other', 'leaving', 'unknown'] as const) {
          expect(decide(request, own, target)).toBe('temporaryFailure');
        }
      }
    }
  });
});

describe('a refusal of the peer (RFC 7296 §2.25)', () => {
  const { TEMPORARY_FAILURE, CHILD_SA_NOT_FOUND, NO_ADDITIONAL_SAS, NO_PROPOSAL_CHOSEN } = NotifyType;

  it.each([
    ['rekeyChild', TEMPORARY_FAILURE, 'retryLater'],
    ['rekeyIkeSa', TEMPORARY_FAILURE, 'retryLater'],
    ['rekeyChild', CHILD_SA_NOT_FOUND, 'createAnew'],
    ['rekeyChild', NO_ADDITIONAL_SAS, 'reauthenticate'],
    ['rekeyIkeSa', NO_ADDITIONAL_SAS, 'reauthenticate'],
    ['createChild', NO_ADDITIONAL_SAS, 'reauthenticate'],
    ['rekeyChild', NO_PROPOSAL_CHOSEN, 'reauthenticate'],
    ['createChild', NO_PROPOSAL_CHOSEN, 'fail'],
  ] as const)('of a %s with notify %i leads to %s', (request, notifyType, reaction) => {
    expect(react(request, notifyType, false)).toBe(reaction);
  });

  it('of a rekey that the peer has overtaken means nothing (§2.8.1)', () => {
    for (const notifyType of [TEMPORARY_FAILURE, CHILD_SA_NOT_FOUND, NO_PROPOSAL_CHOSEN]) {
      expect(react('rekeyChild', notifyType, true)).toBe('nothing');
      expect(react('rekeyIkeSa', notifyType, true)).toBe('nothing');
    }
  });
});
