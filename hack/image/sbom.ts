import { Enums, Models, Serialize, Spec } from '@cyclonedx/cyclonedx-library';

import type { Component } from './component.ts';

/** The bill of materials of an image as CycloneDX JSON: what scanners for vulnerabilities read. */
export function billOfMaterials(version: string, components: readonly Component[]): string {
  const bom = new Models.Bom();
  const image = new Models.Component(Enums.ComponentType.Container, 'ikemesh', { version, bomRef: 'image' });
  bom.metadata.component = image;
  for (const each of components) {
    const component = new Models.Component(TYPES[each.kind], each.name, {
      version: each.version,
      purl: each.purl,
      bomRef: each.purl,
    });
    if (each.sha256 !== undefined) component.hashes.set(Enums.HashAlgorithm['SHA-256'], each.sha256);
    if (each.licence !== undefined) component.licenses.add(new Models.NamedLicense(each.licence));
    bom.components.add(component);
    image.dependencies.add(component.bomRef);
  }
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

const TYPES = {
  application: Enums.ComponentType.Application,
  library: Enums.ComponentType.Library,
  platform: Enums.ComponentType.Platform,
} as const;
