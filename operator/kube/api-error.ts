/** Why the API server did not do what it was asked for. */
export interface ApiError {
  /** Status of HTTP; 0 where there was no answer. */
  readonly status: number;
  /** Kubernetes' word, such as `NotFound`; `Unreachable` where there was no answer. */
  readonly reason: string;
  readonly message: string;
  /** What it is about, where the server says so. */
  readonly details?: { readonly kind?: string; readonly name?: string; readonly group?: string } | undefined;
  /** How long the server wants to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

/** What became of a request. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ApiError };

/** An error as the body of an answer says it, or as far as one can tell without. */
export function apiErrorOf(status: number, body: unknown, retryAfter?: string): ApiError {
  const seconds = Number(retryAfter);
  const retryAfterMs =
    retryAfter !== undefined && seconds > 0 ? Math.min(seconds, MAX_WAIT_SECONDS) * 1_000 : undefined;
  const { kind, reason, message, details } = (typeof body === 'object' && body !== null ? body : {}) as {
    readonly kind?: unknown;
    readonly reason?: string;
    readonly message?: string;
    readonly details?: ApiError['details'];
  };
  if (kind !== 'Status') return { status, reason: `Status${status}`, message: textOf(status, body), retryAfterMs };
  return { status, reason: reason ?? `Status${status}`, message: message ?? `status ${status}`, details, retryAfterMs };
}

/** There was no answer. */
export function unreachable(error: unknown): ApiError {
  const message = error instanceof Error ? error.message || error.name : String(error);
  return { status: 0, reason: 'Unreachable', message };
}

function textOf(status: number, body: unknown): string {
  const text = typeof body === 'string' ? body.trim().slice(0, MAX_TEXT) : '';
  return text === '' ? `status ${status}` : `status ${status}: ${text}`;
}

/** Nobody sensible asks for more, and what is broken must not stop us for hours. */
const MAX_WAIT_SECONDS = 60;
const MAX_TEXT = 512;
