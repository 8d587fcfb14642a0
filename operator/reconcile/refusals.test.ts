import { expect, it } from 'vitest';

import { changeKey } from './pending-changes.ts';
import { Refusals } from './refusals.ts';

it('a write that was refused is known by the name of its object, until it is taken', () => {
  const refusals = new Refusals();
  const config = keyOf('IPsecNodeConfig', undefined);
  expect(refusals.note(config, 'Forbidden: quota')).toBe(true);
  expect(refusals.note(config, 'Forbidden: quota')).toBe(false);
  refusals.note(keyOf('Certificate', 'ikemesh-nodes'), 'Invalid: no');
  refusals.note(keyOf('IPsecPeerSlice', undefined), 'Invalid: no');
  expect(refusals.of('IPsecNodeConfig')).toEqual(new Map([['node-a', 'Forbidden: quota']]));
  expect(refusals.of('Certificate', 'ikemesh-nodes')).toEqual(new Map([['node-a', 'Invalid: no']]));
  expect(refusals.forget(config)).toBe(true);
  expect(refusals.forget(config)).toBe(false);
  expect(refusals.of('IPsecNodeConfig').size).toBe(0);
});

function keyOf(kind: string, namespace: string | undefined): string {
  const object = { apiVersion: 'v1', kind, metadata: { name: 'node-a', namespace } };
  return changeKey({ kind: 'apply', object, uid: undefined });
}
