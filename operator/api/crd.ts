import * as z from 'zod';

import { group, type Resource, version } from './resource.ts';
import { VALIDATIONS } from './rule.ts';
import { type StructuralSchema, structuralSchema } from './structural.ts';

/** A CustomResourceDefinition, as far as we write one. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The definition of a kind for the API server. There is one version and no webhook, so nothing is converted. */
export function customResourceDefinition(resource: Resource): CustomResourceDefinition {
  const { kind, plural, shortNames } = resource;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames,
        categories: ['ikemesh'],
      },
      versions: [versionOf(resource)],
    },
  };
}

/** The schema of a kind's own fields; those that all objects have are the server's business. */
export function rootSchema(resource: Resource): StructuralSchema {
  const { rulesInCrd = true } = resource;
  const fields = structuralSchema(z.object(resource.fields), { rules: rulesInCrd });
  const { validations } = resource;
  return {
    description: resource.summary,
    type: 'object',
    ...(validations.length > 0 && rulesInCrd ? { [VALIDATIONS]: validations } : {}),
    required: fields.required ?? [],
    properties: { ...OF_ALL_OBJECTS, ...fields.properties },
  };
}

function versionOf(resource: Resource) {
  const { hasStatus, selectableFields = [], columns } = resource;
  return {
    name: version,
    served: true,
    storage: true,
    ...(hasStatus ? { subresources: { status: {} } } : {}),
    ...(selectableFields.length > 0 ? { selectableFields: selectableFields.map((jsonPath) => ({ jsonPath })) } : {}),
    additionalPrinterColumns: columns,
    schema: { openAPIV3Schema: rootSchema(resource) },
  };
}

const OF_ALL_OBJECTS: Readonly<Record<string, StructuralSchema>> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: { type: 'object' },
};
