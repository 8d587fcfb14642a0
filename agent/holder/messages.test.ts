import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_MESSAGE_BYTES, MAX_SOCKETS } from './limits.ts';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, type HolderRequest } from './messages.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('requests to a holder', () => {
  const requests: readonly HolderRequest[] = [
    { request: 'hold', name: '192.0.2.1 port 4500' },
    { request: 'take', name: 'fe80::1%eth0 port 4500 interface 7' },
    { request: 'list' },
    { request: 'retain', names: ['192.0.2.1 port 4500'] },
    { request: 'retain', names: [] },
    { request: 'keepalive', name: '192.0.2.1 port 4500', to: new Uint8Array(16).fill(3) },
  ];

  it.each(requests)('come through: %j', (request) => {
    expect(decodeRequest(encodeRequest(request))).toEqual({ ok: true, value: request });
  });

  it('have room for the longest names of as many sockets as there may be', () => {
    const names = Array.from({ length: MAX_SOCKETS }, (_, index) => `${'x'.repeat(90)} ${1e8 + index}`);
    const bytes = encodeRequest({ request: 'retain', names });
    expect(bytes.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
    expect(decodeRequest(bytes)).toEqual({ ok: true, value: { request: 'retain', names } });
  });

  it('may have fields that a later agent knows', () => {
    const bytes = text('{"request":"take","name":"x","since":3}');
    expect(decodeRequest(bytes)).toEqual({ ok: true, value: { request: 'take', name: 'x' } });
  });

  it.each([
    ['', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['[]', 'not a JSON object'],
    ['"list"', 'not a JSON object'],
    ['{"request":"list"', 'not a JSON object'],
    [`{"request":"list","x":"${'y'.repeat(MAX_MESSAGE_BYTES)}"}`, 'not a JSON object'],
    ['{}', 'an unknown request'],
    ['{"request":"format"}', 'an unknown request'],
    ['{"request":"__proto__"}', 'an unknown request'],
    ['{"request":"take"}', 'name must be the name of a socket'],
    ['{"request":"hold","name":7}', 'name must be the name of a socket'],
    ['{"request":"hold","name":""}', 'name must be the name of a socket'],
    ['{"request":"hold","name":"a\\u001bb"}', 'name must be the name of a socket'],
    [`{"request":"hold","name":"${'x'.repeat(101)}"}`, 'name must be the name of a socket'],
    ['{"request":"retain"}', 'names must be at most 200 names of sockets'],
    ['{"request":"retain","names":{"length":0}}', 'names must be at most 200 names of sockets'],
    ['{"request":"retain","names":["x",null]}', 'names must be at most 200 names of sockets'],
    [`{"request":"retain","names":[${'"x",'.repeat(200)}"x"]}`, 'names must be at most 200 names of sockets'],
    ['{"request":"keepalive","to":"AAAAAAAAAAAAAAAAAAAAAA=="}', 'name must be the name of a socket'],
    ['{"request":"keepalive","name":"x","to":"AAAA"}', 'to must be a struct sockaddr_in or sockaddr_in6'],
    ['{"request":"keepalive","name":"x","to":[1]}', 'to must be a struct sockaddr_in or sockaddr_in6'],
  ])('that are malformed are refused: %.60s', (bytes, reason) => {
    expect(decodeRequest(text(bytes))).toEqual({ ok: false, error: reason });
  });

  it('of any bytes at all are read or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map(text)), (bytes) => {
        decodeRequest(bytes);
        decodeAnswer(bytes);
      }),
    );
  });
});

describe('answers of a holder', () => {
  it.each([{ done: true }, { done: true, names: ['x'] }, { done: false, reason: 'x is not held' }] as const)(
    'come through: %j',
    (answer) => expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer),
  );

  it.each(['', '{}', '{"done":1}', '{"done":true,"names":[7]}', '[true]'])(
    'that are none are not taken: %s',
    (bytes) => {
      expect(decodeAnswer(text(bytes))).toBeUndefined();
    },
  );
});
