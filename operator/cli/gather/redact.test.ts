import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { redactObject, redactText } from './redact.ts';

/** As keys and tokens look wherever they come from. */
const planted: readonly (readonly [string, string])[] = [
  ['a pre-shared key in base64', randomBytes(32).toString('base64')],
  ['a key in hexadecimal', randomBytes(36).toString('hex')],
  [
    'a token of a ServiceAccount',
    `eyJhbGciOiJSUzI1NiJ9.${randomBytes(40).toString('base64url')}.${randomBytes(64).toString('base64url')}`,
  ],
  ['a private key', `-----BEGIN PRIVATE KEY-----\n${randomBytes(48).toString('base64')}\n-----END PRIVATE KEY-----`],
  [
    'a private key in base64',
    Buffer.from(`-----BEGIN EC PRIVATE KEY-----\n${randomBytes(48).toString('base64')}`).toString('base64'),
  ],
];

describe('what is taken out of a text', () => {
  it.each(planted)('is %s, wherever it stands', (_, secret) => {
    for (const text of [secret, `{"level":30,"msg":"got ${secret} from"}`, `error: ${secret}`, `a=${secret}&b=1`]) {
      const [line = ''] = secret.split('\n').slice(-2);
      expect(redactText(text)).not.toContain(secret);
      expect(redactText(text)).not.toContain(line.length > 20 ? line : secret);
    }
  });

  it('is a pre-shared key in base64 whatever it begins with, as a path does or a sum', () => {
    for (let first = 0; first < 64; first += 1) {
      const key = Buffer.from([first << 2, ...Array.from({ length: 31 }, (_, index) => (index * 83 + first) & 0xff)]);
      const text = key.toString('base64');
      expect(redactText(`got ${text} from`), text).toBe('got [redacted] from');
    }
  });

  it.each([
    'password=hunter2-is-short',
    'psk: correct.horse.battery',
    '{"preSharedKey":"swordfish"}',
    'Authorization: Bearer swordfish',
    'https://admin:swordfish@proxy.example.com/',
    String.raw`{\"token\":\"swordfish\"}`,
    '--client-secret=swordfish',
  ])('is what is called a secret: %s', (text) => {
    expect(redactText(text)).not.toMatch(/hunter2|correct\.horse|swordfish/);
  });

  it.each([
    'node-a-ipv4 (10.88.0.12) does not answer IKE_SA_INIT: is it running, and are UDP ports 500 and 4500 open?',
    'the Secret ike-node-a-0123456789abcdef is not there',
    'serial 52dc46fd1689ea1a63c32cc1f7354dbb74dd7a4d is proven',
    'image ikemesh.io/ikemesh@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'secretName: ike-node-a-0123456789abcdef',
    'uid 11111111-2222-3333-4444-555555555555, spi c0ffee01, reqid 1610612737',
    'aes256gcm16-prfsha384-x25519',
    '/var/lib/kubelet/pods/11111111-2222-3333-4444-555555555555/volumes/kubernetes.io~configmap',
  ])('is not what a reader needs: %s', (text) => {
    expect(redactText(text)).toBe(text);
  });
});

describe('what is taken out of an object', () => {
  it('is the data of a Secret, the values of variables, and what repeats the object', () => {
    const object = {
      kind: 'Secret',
      metadata: {
        name: 'x',
        managedFields: [{}],
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'swordfish' },
      },
      data: { psk: 'c3dvcmRmaXNo' },
      spec: {
        containers: [
          {
            env: [
              { name: 'HTTPS_PROXY', value: 'swordfish' },
              { name: 'NODE_NAME', valueFrom: { fieldRef: {} } },
            ],
          },
        ],
      },
    };
    const redacted = JSON.stringify(redactObject(object));
    expect(redacted).not.toMatch(/swordfish|c3dvcmRmaXNo|managedFields|last-applied/);
    expect(redacted).toContain('valueFrom');
    expect(redacted).toContain('HTTPS_PROXY');
  });

  it('is no name of an object that is referred to', () => {
    const spec = {
      authentication: { preSharedKey: { secretRef: { name: 'office-psk', key: 'psk' } } },
      secretName: 'ike-a',
    };
    expect(redactObject(spec)).toEqual(spec);
  });
});
