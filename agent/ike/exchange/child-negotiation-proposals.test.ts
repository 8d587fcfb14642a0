import { describe, expect, it } from 'vitest';

import type { Proposal } from '../../wire/payloads/sa.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { notify } from '../message/notify.ts';
import { childConfig, Pair, proposal } from '../testing/pair.ts';
import { calling, espProposal, headline, notifyTypes, texts, transform, waiting } from '../testing/scripted-peer.ts';

describe('ESP proposals', () => {
  const gcm = transform(1, 20, 256);
  const esn = transform(5, 1);

  /** What a responder answers to this proposal: the transforms that it chose, or the error. */
  function answerTo(...proposals: readonly Proposal[]): readonly string[] | number {
    const peer = waiting({
      children: [
        childConfig({ proposals: [proposal('aes256gcm16', 'esn', 'noesn'), proposal('aes256', 'sha256', 'esn')] }),
      ],
    });
    const answer = peer.authenticate(() => [...peer.proof(), ...peer.child({ sa: proposals })]);
    const sa = answer.find((payload) => payload.kind === 'sa');
    const [error] = notifyTypes(answer).filter((type) => type < 16_384);
    if (sa === undefined) return error ?? 0;
    expect(sa.proposals).toHaveLength(1);
    const [chosen] = sa.proposals as [Proposal];
    return [`number ${chosen.number}`, ...chosen.transforms.map(({ type, id }) => `${type}/${id}`)];
  }

  const refused = NotifyType.NO_PROPOSAL_CHOSEN;

  it.each([
    ['extended sequence numbers first', [espProposal(999, [gcm, transform(5, 0), esn])], ['number 1', '1/20', '5/1']],
    ['short ones where there is nothing else', [espProposal(999, [gcm, transform(5, 0)])], ['number 1', '1/20', '5/0']],
    [
      'the second proposal under its number',
      [espProposal(999, [transform(1, 12, 128), esn]), espProposal(999, [gcm, esn], 2)],
      ['number 2', '1/20', '5/1'],
    ],
    [
      'an AEAD with INTEG NONE beside it (RFC 5282 §8)',
      [espProposal(999, [gcm, transform(3, 0), esn])],
      ['number 1', '1/20', '3/0', '5/1'],
    ],
    [
      'a cipher with its hash',
      [espProposal(999, [transform(1, 12, 256), transform(3, 12), esn])],
      ['number 1', '1/12', '3/12', '5/1'],
    ],
    [
      'the right one where an unknown transform stands beside it',
      [espProposal(999, [transform(1, 999), gcm, esn])],
      ['number 1', '1/20', '5/1'],
    ],
    [
      'a proposal without its key exchange, which IKE_AUTH has not (RFC 7296 §1.2)',
      [espProposal(999, [gcm, transform(4, 31), esn])],
      ['number 1', '1/20', '5/1'],
    ],
    ['none without sequence numbers (RFC 7296 §3.3.3)', [espProposal(999, [gcm])], refused],
    ['none with an AEAD and a hash (RFC 5282 §8)', [espProposal(999, [gcm, transform(3, 12), esn])], refused],
    ['no cipher without a hash', [espProposal(999, [transform(1, 12, 256), esn])], refused],
    ['no cipher with the hash NONE', [espProposal(999, [transform(1, 12, 256), transform(3, 0), esn])], refused],
    ['no AES without a key length (RFC 7296 §3.3.5)', [espProposal(999, [transform(1, 20), esn])], refused],
    ['no other key length', [espProposal(999, [transform(1, 20, 128), esn])], refused],
    [
      'none with a transform type that it does not know (RFC 7296 §3.3.6)',
      [espProposal(999, [gcm, esn, transform(13, 1)])],
      refused,
    ],
    [
      'none with an attribute that it does not know (RFC 7296 §3.3.6)',
      [espProposal(999, [{ ...gcm, attributes: [...gcm.attributes, { type: 77, value: 1 }] }, esn])],
      refused,
    ],
    [
      'none with two key lengths',
      [
        espProposal(999, [
          {
            ...gcm,
            attributes: [
              { type: 14, value: 128 },
              { type: 14, value: 256 },
            ],
          },
          esn,
        ]),
      ],
      refused,
    ],
    ['no AH', [{ ...espProposal(999, [gcm, esn]), protocol: 2 }], refused],
    ['none without transforms', [espProposal(999, [])], refused],
  ] as const)('a responder chooses %s', (_, proposals, expected) => {
    expect(answerTo(...proposals)).toEqual(expected);
  });

  it.each([
    [['esn', 'noesn'], ['esn'], true],
    [['esn'], ['noesn', 'esn'], true],
    [['noesn', 'esn'], ['noesn'], false],
  ] as const)('sequence numbers %j and %j: both kernels are told alike (RFC 4303 §2.2.1)', (left, right, extended) => {
    const child = (words: readonly string[]) => ({
      children: [childConfig({ proposals: [proposal('aes256gcm16', ...words)] })],
    });
    const pair = new Pair().configure(child(left), child(right)).settle();
    for (const side of [pair.left, pair.right]) {
      expect(pair.sas(side).map(({ esn }) => esn)).toEqual([extended, extended]);
    }
    expect(pair.encrypts()).toBe(true);
  });

  it('a cipher and its keys are the same at both ends with CBC and HMAC, too', () => {
    const children = [childConfig({ proposals: [proposal('aes128', 'sha384', 'noesn')] })];
    expect(new Pair().configure({ children }, { children }).settle().encrypts()).toBe(true);
  });

  it.each([
    ['a number that was not offered', [espProposal(999, [gcm, esn], 2)]],
    ['two proposals', [espProposal(999, [gcm, esn]), espProposal(999, [gcm, esn], 2)]],
    ['two transforms of one type', [espProposal(999, [gcm, esn, transform(5, 0)])]],
    ['the same transform twice', [espProposal(999, [gcm, gcm, esn])]],
    ['an algorithm that was not offered', [espProposal(999, [transform(1, 12, 256), transform(3, 12), esn])]],
    ['a shorter key', [espProposal(999, [transform(1, 20, 128), esn])]],
    ['no sequence numbers', [espProposal(999, [gcm])]],
    ['an additional transform', [espProposal(999, [gcm, esn, transform(4, 31)])]],
  ] as const)('an initiator refuses an answer with %s, and has the peer delete it (RFC 7296 §2.7)', (_, sa) => {
    const peer = calling();
    const request = peer.accept();
    peer.send(peer.respond(request, [...peer.proof(), ...peer.child({ sa })]));
    expect(peer.open(peer.take()).map((payload) => payload.kind)).toEqual(['delete']);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(peer.pair.status(peer.subject).ikeSas[0]).toMatchObject({ state: 'established', children: [] });
  });

  it('no algorithms in common: the IKE SA stays, no SA is in any kernel, and both ends say what to do', () => {
    const children = [childConfig({ proposals: [proposal('aes128gcm16', 'esn')] })];
    const pair = new Pair().configure({}, { children }).settle();
    expect([pair.outbound(pair.left), pair.outbound(pair.right)]).toEqual([[], []]);
    expect(texts(pair.right, 'negotiationFailed')).toEqual([
      'no common ESP algorithms with left for Child hosts: give both sides a proposal in common',
    ]);
    expect(texts(pair.left, 'negotiationFailed')).toEqual([
      'right accepts none of our ESP proposals for Child hosts, or not its mode: set both alike on both sides',
    ]);
    expect(pair.status(pair.left).ikeSas[0]?.state).toBe('established');
  });

  it.each([
    NotifyType.NO_PROPOSAL_CHOSEN,
    NotifyType.TS_UNACCEPTABLE,
    NotifyType.SINGLE_PAIR_REQUIRED,
    NotifyType.INTERNAL_ADDRESS_FAILURE,
    NotifyType.FAILED_CP_REQUIRED,
  ])('an error %i about the Child SA leaves the IKE SA standing (RFC 7296 §1.2, §2.21.2)', (type) => {
    const peer = calling();
    const request = peer.accept();
    peer.send(peer.respond(request, [...peer.proof(), notify(type)]));
    expect(peer.pair.status(peer.subject).ikeSas[0]).toMatchObject({ state: 'established', children: [] });
    peer.pair.advanceLosing(2_500);
    expect(headline(peer.pair.sent.at(-1)?.bytes as Uint8Array)[0]).toBe(ExchangeType.CREATE_CHILD_SA);
  });
});
