import { describe, expect, it } from 'vitest';

import { nameOf } from './name-of.ts';
import { isErrorNotify, NotifyType } from './registry.ts';

describe('nameOf', () => {
  it('prints the name with the number, or the registry where there is no name', () => {
    expect(nameOf('notify', 14)).toBe('NO_PROPOSAL_CHOSEN(14)');
    expect(nameOf('notify', 40_961)).toBe('notify(40961)');
    expect(nameOf('encryption', 20)).toBe('ENCR_AES_GCM_16(20)');
    expect(nameOf('payload', 35)).toBe('IDi(35)');
    expect(nameOf('exchange', 240)).toBe('exchange(240)');
    expect(nameOf('keyExchange', 0)).toBe('NONE(0)');
  });
});

describe('notify types', () => {
  it('are errors below 16384 whether known or not, and status types from there on', () => {
    expect([0, 1, NotifyType.TEMPORARY_FAILURE, 8192, 16_383].every(isErrorNotify)).toBe(true);
    expect([NotifyType.INITIAL_CONTACT, NotifyType.COOKIE, 40_961, 65_535].some(isErrorNotify)).toBe(false);
  });
});
