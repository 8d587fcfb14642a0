/** A text without anything that could be a key, a password or a token. Rather too much is taken out than too little. */
export function redactText(text: string): string {
  return PATTERNS.reduce((rest, { pattern, by }) => rest.replace(pattern, by as (match: string) => string), text);
}

/**
 * An object without secrets: values of environment variables, fields that are called like secrets, the data of Secrets, and
 * in all other texts what looks like a key. What only repeats the object is left out.
 */
export function redactObject(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (value === null || typeof value !== 'object') return value;
  if (depth > MAX_DEPTH) return REDACTED;
  if (Array.isArray(value)) return value.map((each) => redactObject(each, depth + 1));
  const { kind } = value as { readonly kind?: unknown };
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, below]): readonly [string, unknown][] => {
      if (name === 'managedFields' || name === LAST_APPLIED) return [];
      if (kind === 'Secret' && (name === 'data' || name === 'stringData')) return [[name, REDACTED]];
      if (name === 'env' && Array.isArray(below)) return [[name, below.map((each) => variable(each, depth + 1))]];
      if (typeof below === 'string' && isSecretName(name)) return [[name, below === '' ? '' : REDACTED]];
      return [[name, redactObject(below, depth + 1)]];
    }),
  );
}

/** Where a value comes from is no secret; the value may be. */
function variable(value: unknown, depth: number): unknown {
  if (value === null || typeof value !== 'object' || !('value' in value)) return redactObject(value, depth);
  return { ...value, value: REDACTED };
}

function isSecretName(name: string): boolean {
  return SECRET.test(name) && !REFERENCE.test(name);
}

function isKeyLike(word: string): boolean {
  const classes = [/[a-z]/, /[A-Z]/, /\d/].filter((each) => each.test(word)).length;
  return classes === 3;
}

const REDACTED = '[redacted]';
const SECRET =
  /passw(or)?d|passphrase|psk|secret|token|api[-_]?key|private[-_]?key|pre[-_]?shared[-_]?key|authorization|credential/i;
/** Names of objects and places of files are what a reader needs. */
const REFERENCE =
  /(name|names|ref|refs|path|file|kind|namespace|seconds|mount|type|location|template|policy|audience)$/i;
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** No object is nested so deeply. */
const MAX_DEPTH = 40;

interface Pattern {
  readonly pattern: RegExp;
  readonly by: string | ((match: string, ...groups: string[]) => string);
}

const PATTERNS: readonly Pattern[] = [
  { pattern: /-----BEGIN [^-\n]*PRIVATE KEY-----[\s\S]*?(-----END [^-\n]*PRIVATE KEY-----|$)/g, by: REDACTED },
  // The same in base64.
  { pattern: /LS0tLS1CRUdJTi[A-Za-z0-9+/=]*/g, by: REDACTED },
  { pattern: /\beyJ[\w-]{5,}\.[\w-]{5,}(\.[\w-]*)?/g, by: REDACTED },
  { pattern: /\b(Bearer|Basic)\s+[\w.+/=~-]{4,}/gi, by: `$1 ${REDACTED}` },
  { pattern: /:\/\/[^\s/@"']+@/g, by: `://${REDACTED}@` },
  {
    pattern: /([\w.-]*)(\\?["']?\s*[:=]\s*\\?["']?)([^\s"',}\\]{3,})/g,
    by: (match, name, sign, value) =>
      isSecretName(name ?? '') && value !== REDACTED ? `${name}${sign}${REDACTED}` : match,
  },
  {
    pattern: /(serial(?:Number)?\W{1,4}|sha256:)?\b(0x)?[0-9a-fA-F]{32,}\b/g,
    by: (match, known) => (known === undefined ? REDACTED : match),
  },
  {
    pattern: /[A-Za-z0-9+/_-]{24,}={0,2}/g,
    // Also what begins like a path: so does every sixty-fourth key.
    by: (word) => (isKeyLike(word) ? REDACTED : word),
  },
];
