/** What an IPsecNodeConfig lists and nobody can tell of: an earlier run may have known it and left it in the kernel. */
export interface UnknownParts {
  /** Names of the peerings that this version cannot read. */
  readonly peerings: ReadonlySet<string>;
  /** Names of the meshes of which there is no slice. */
  readonly meshes: ReadonlySet<string>;
  /** Names of the peers that this version cannot read, by the name of the mesh. */
  readonly peers: ReadonlyMap<string, readonly string[]>;
}
