import * as z from 'zod';

import { ruled } from './rule.ts';

/**
 * An object of which exactly one field is set: how Kubernetes writes a union. The fields must be optional and without
 * defaults.
 */
export function oneOf<Shape extends Readonly<Record<string, z.ZodOptional>>>(shape: Shape) {
  const names = Object.keys(shape);
  const present = `[${names.map((name) => `has(self.${name})`).join(', ')}]`;
  const list = names.join(', ').replace(/, ([^,]*)$/, ' and $1');
  const set = (value: Readonly<Record<string, unknown>>) => names.filter((name) => value[name] !== undefined);
  return ruled(z.object(shape), {
    cel: `${present}.filter(x, x).size() == 1`,
    holds: (value) => set(value).length === 1,
    message: `set exactly one of ${list}`,
  });
}
