/** Why the API server did not do what it was asked. */
export interface ApiFailure {
  readonly kind: 'apiFailure';
  /** HTTP status; 0: there was no answer, or none that can be read. */
  readonly status: number;
  /** For people: what was asked, what came of it, and what to do. */
  readonly message: string;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number;
}

/** There was no answer, or it cannot be read. */
export function unanswered(message: string): ApiFailure {
  return { kind: 'apiFailure', status: 0, message, retryAfterMs: 0 };
}

/** The server refused; `body` is its Status object as text. */
export function refused(asked: string, status: number, body: string, retryAfterMs: number): ApiFailure {
  const said = statusMessage(body);
  const hint = HINTS[status];
  const message = `${asked}: ${status}${said === '' ? '' : ` ${said}`}${hint === undefined ? '' : `; ${hint}`}`;
  return { kind: 'apiFailure', status, message, retryAfterMs };
}

/** What a Status object says; a server in between may answer with anything. */
function statusMessage(body: string): string {
  try {
    const { message } = JSON.parse(body) as { readonly message?: unknown };
    return typeof message === 'string' ? printable(message) : '';
  } catch {
    return '';
  }
}

function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ').slice(0, MAX_MESSAGE);
}

const MAX_MESSAGE = 500;
const HINTS: Readonly<Record<number, string>> = {
  401: 'the token of the ServiceAccount is not accepted: see that its Pod was made in this cluster',
  403: 'RBAC does not allow it: the operator grants it once the admission policy about agents is in force (its log says why not)',
  404: 'where it is a kind that is not there, install the CustomResourceDefinitions of ikemesh',
};
