import { err, ok, type Result } from '../result.ts';
import { MAX_MESSAGE_BYTES, MAX_NAME_CHARACTERS, MAX_SOCKETS } from './limits.ts';

/** What a holder may be asked. Each request is one message and has one answer; what is unknown is refused. */
export type HolderRequest =
  /** Keep the socket that comes with this message, in place of one of this name. */
  | { readonly request: 'hold'; readonly name: string }
  /** Give the socket of this name; it stays held. */
  | { readonly request: 'take'; readonly name: string }
  /** Name all sockets. */
  | { readonly request: 'list' }
  /** Close all sockets but these. */
  | { readonly request: 'retain'; readonly names: readonly string[] }
  /** A keepalive was sent from this socket: go on with that while nobody else does. */
  | { readonly request: 'keepalive'; readonly name: string; readonly to: Uint8Array };

/** What a holder answers; a socket that was asked for comes with it. */
export type HolderAnswer =
  | { readonly done: true; readonly names?: readonly string[] }
  | { readonly done: false; readonly reason: string };

/** The bytes of a request. */
export function encodeRequest(request: HolderRequest): Uint8Array {
  const to = request.request === 'keepalive' ? { to: Buffer.from(request.to).toString('base64') } : {};
  return encode({ ...request, ...to });
}

/** The bytes of an answer. */
export function encodeAnswer(answer: HolderAnswer): Uint8Array {
  return encode(answer);
}

/** Reads a request; the error is why it is refused. Fields that are not known are passed over. */
export function decodeRequest(bytes: Uint8Array): Result<HolderRequest, string> {
  const fields = decode(bytes);
  if (fields === undefined) return err('not a JSON object');
  const { request, name, names, to } = fields;
  switch (request) {
    case 'list':
      return ok({ request });
    case 'hold':
    case 'take':
      return isName(name) ? ok({ request, name }) : err(NO_NAME);
    case 'retain':
      return areNames(names) ? ok({ request, names }) : err(`names must be at most ${MAX_SOCKETS} names of sockets`);
    case 'keepalive': {
      const address = socketAddress(to);
      if (!isName(name)) return err(NO_NAME);
      return address === undefined
        ? err('to must be a struct sockaddr_in or sockaddr_in6')
        : ok({ request, name, to: address });
    }
    default:
      return err('an unknown request');
  }
}

/** Reads an answer; undefined where it is none. */
export function decodeAnswer(bytes: Uint8Array): HolderAnswer | undefined {
  const { done, names, reason } = decode(bytes) ?? {};
  if (done === false) return { done, reason: typeof reason === 'string' ? reason : 'no reason was given' };
  if (done !== true) return undefined;
  if (names === undefined) return { done };
  return areNames(names) ? { done, names } : undefined;
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function decode(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  if (bytes.length > MAX_MESSAGE_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_NAME_CHARACTERS && NAME.test(value);
}

function areNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= MAX_SOCKETS && value.every(isName);
}

function socketAddress(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length > MAX_SOCKADDR_CHARACTERS) return undefined;
  const bytes = Uint8Array.from(Buffer.from(value, 'base64'));
  return SOCKADDR_BYTES.includes(bytes.length) ? bytes : undefined;
}

const NO_NAME = 'name must be the name of a socket';
/** It is told in logs, so what a terminal obeys has no place in it. */
const NAME = /^[\x20-\x7e]+$/;
/** struct sockaddr_in and sockaddr_in6 (linux/in.h, linux/in6.h). */
const SOCKADDR_BYTES = [16, 28];
const MAX_SOCKADDR_CHARACTERS = 40;
