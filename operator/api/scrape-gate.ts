/** Whether somebody may read the metrics; `unknown` where the API server does not say. */
export type ScrapeVerdict = 'allowed' | 'unauthenticated' | 'forbidden' | 'unknown';

/** What a gate depends on. */
export interface ScrapeGateParts {
  /** Creates an object at the API server; answers undefined where that says no, or nothing. */
  readonly post: (path: string, body: object) => Promise<unknown>;
  /** Tokens are remembered by it only. */
  readonly fingerprint: (token: string) => string;
  readonly nowMs: () => number;
}

/**
 * Has the API server say whose a bearer token is (TokenReview) and whether that may `get` the path (SubjectAccessReview), as
 * kube-rbac-proxy does. Answers are kept for a short while, and few are asked for at a time: whoever makes up tokens keeps
 * neither us nor the API server busy.
 */
export class ScrapeGate {
  readonly #parts: ScrapeGateParts;
  readonly #known = new Map<string, { readonly verdict: ScrapeVerdict; readonly untilMs: number }>();
  readonly #asking = new Map<string, Promise<ScrapeVerdict>>();

  constructor(parts: ScrapeGateParts) {
    this.#parts = parts;
  }

  /** Judges the header `Authorization` of a request. */
  async judge(authorization: string | undefined, path: string): Promise<ScrapeVerdict> {
    const [, token] = BEARER.exec(authorization ?? '') ?? [];
    if (token === undefined) return 'unauthenticated';
    const key = this.#parts.fingerprint(`${path} ${token}`);
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > this.#parts.nowMs()) return known.verdict;
    const asked = this.#asking.get(key);
    if (asked !== undefined) return asked;
    if (this.#asking.size >= MAX_REVIEWS) return 'unknown';
    const asking = this.#review(token, path).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    const verdict = await asking;
    this.#keep(key, verdict);
    return verdict;
  }

  async #review(token: string, path: string): Promise<ScrapeVerdict> {
    const authentication = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const who = statusOf(await this.#parts.post('/apis/authentication.k8s.io/v1/tokenreviews', authentication));
    if (who === undefined) return 'unknown';
    const user = who['user'];
    if (who['authenticated'] !== true || !isRecord(user)) return 'unauthenticated';
    const { username, uid, groups, extra } = user;
    const nonResourceAttributes = { path, verb: 'get' };
    const authorization = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, uid, groups, extra, nonResourceAttributes },
    };
    const may = statusOf(await this.#parts.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', authorization));
    if (may === undefined) return 'unknown';
    return may['allowed'] === true ? 'allowed' : 'forbidden';
  }

  /** What is not known is asked again at once. */
  #keep(key: string, verdict: ScrapeVerdict): void {
    this.#known.delete(key);
    if (verdict === 'unknown') return;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    const forMs = verdict === 'allowed' ? ALLOWED_FOR_MS : REFUSED_FOR_MS;
    this.#known.set(key, { verdict, untilMs: this.#parts.nowMs() + forMs });
  }
}

function statusOf(answer: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!isRecord(answer)) return undefined;
  const { status } = answer;
  return isRecord(status) ? status : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

const BEARER = /^Bearer ([\x21-\x7e]{1,8192})$/i;
/** Two Prometheus servers and some people, each with a token that is replaced now and then. */
const MAX_KNOWN = 64;
const MAX_REVIEWS = 4;
/** For so long a right that was taken away is still there. */
const ALLOWED_FOR_MS = 60_000;
const REFUSED_FOR_MS = 10_000;
