import * as z from 'zod';

import { type Rule, ruled, type ValidationRule, validationsOf } from './rule.ts';

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  /** 1: only with `-o wide`. */
  readonly priority?: 1;
}

/** What is said once about a kind, and everything else is made of. */
interface Definition<Kind extends string, Fields extends z.core.$ZodShape> {
  readonly kind: Kind;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** One sentence for `kubectl explain`. */
  readonly summary: string;
  readonly hasStatus: boolean;
  /** False: the API server checks types and bounds only, since nobody but the operator writes such objects. */
  readonly rulesInCrd?: false;
  /** The fields beside `apiVersion`, `kind` and `metadata`. */
  readonly fields: Fields;
  readonly rules?: readonly Rule<{ readonly metadata: z.output<typeof metadata> }>[];
  readonly columns: readonly PrinterColumn[];
  readonly selectableFields?: readonly string[];
}

/** A kind of the API: what `crd.ts` writes down, and the schema that reads its objects. */
export interface Resource extends Omit<Definition<string, z.core.$ZodShape>, 'rules'> {
  /** Reads a whole object; unknown fields are dropped, as the API server does. */
  readonly schema: z.ZodType<KubernetesObject>;
  /** The rules about the whole object. */
  readonly validations: readonly ValidationRule[];
}

/** What all objects have. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: z.output<typeof metadata>;
}

/** The API group and version of all kinds. */
export const group = 'ikemesh.io';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;

/** What is read of the metadata of an object. */
const metadata = z.object({
  name: z.string(),
  uid: z.string().optional(),
  generation: z.int().optional(),
  resourceVersion: z.string().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  ownerReferences: z
    .array(
      z.object({
        apiVersion: z.string(),
        kind: z.string(),
        name: z.string(),
        uid: z.string(),
        controller: z.boolean().optional(),
        blockOwnerDeletion: z.boolean().optional(),
      }),
    )
    .optional(),
});

/** Makes a kind of what is said about it. */
export function defineResource<const Kind extends string, Fields extends z.core.$ZodShape>(
  definition: Definition<Kind, Fields>,
) {
  const { rules = [], ...rest } = definition;
  const whole = z.object({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(definition.kind),
    metadata,
    ...definition.fields,
  });
  const schema = rules.reduce((made, rule) => ruled(made, rule as Rule<z.output<typeof whole>>), whole);
  return { ...rest, schema, validations: validationsOf(schema) };
}
