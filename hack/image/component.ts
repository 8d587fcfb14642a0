/** Something that the image holds and somebody publishes: what a scanner for vulnerabilities looks for. */
export interface Component {
  readonly kind: 'application' | 'library' | 'platform';
  readonly name: string;
  readonly version: string;
  /** Package URL (https://github.com/package-url/purl-spec), the key of vulnerability data bases. */
  readonly purl: string;
  /** SPDX expression, where the supplier states one. */
  readonly licence?: string;
  /** SHA-256 of what it was taken from, in hex. */
  readonly sha256?: string;
  /** Its files, as paths in the image without a leading slash. */
  readonly files: readonly string[];
}
