import type { PayloadChain } from '../../wire/message.ts';
import type { SkfPayload } from '../../wire/payloads/encrypted.ts';
import { PayloadType } from '../../wire/registry.ts';
import type { Core } from '../core.ts';
import type { DropReason } from '../fact.ts';
import type { FragmentLimits } from '../limits.ts';
import type { IkeSa } from '../state.ts';
import type { Instant, Path } from '../types.ts';

/** A message of the peer of which not all fragments have arrived (RFC 7383 §2.6). */
export interface Reassembly {
  readonly response: boolean;
  readonly messageId: number;
  readonly expiresAt: Instant;
  /** Where its room is counted. */
  readonly room: ReassemblyRoom;
  /** What stood in fragment 1, 2 and so on; each was decrypted, so the peer has sent it. */
  readonly contents: (Uint8Array | undefined)[];
  /** Where each of those that are there has come from, in the order in which they came. */
  readonly origins: Path[];
  missing: number;
  /** What it occupies. */
  bytes: number;
  /** The type of the first payload, which fragment 1 tells. */
  first: number;
  /** By what the message is known again: the end of fragment 1. */
  tag: Uint8Array;
}

/** What messages in fragments occupy, over all IKE SAs of one kind. */
export class ReassemblyRoom {
  readonly limits: FragmentLimits;
  messages = 0;
  bytes = 0;

  constructor(limits: FragmentLimits) {
    this.limits = limits;
  }

  /** Whether so many bytes more can be kept. */
  has(bytes: number): boolean {
    return this.bytes + bytes <= this.limits.bytes;
  }
}

/** A fragment whose ICV was right. */
export interface Fragment {
  readonly response: boolean;
  readonly messageId: number;
  readonly number: number;
  readonly total: number;
  readonly content: PayloadChain;
  /** See `requestTag`. */
  readonly tag: Uint8Array;
  readonly path: Path;
}

/** A message that is there as a whole. */
export interface Reassembled {
  readonly chain: PayloadChain;
  /** Tag of its fragment 1. */
  readonly tag: Uint8Array;
  /**
   * Where most of it has come from, of what has come from the address where the peer was, if any has: fragments that somebody
   * sends again from elsewhere do not tell where the peer is, and one that moves shows it by its next message.
   */
  readonly origin: Path;
}

/** What an IKE SA has that is putting nothing together. */
export const NO_REASSEMBLIES: readonly Reassembly[] = [];

/**
 * Why a fragment is of no use, which is seen before it is decrypted: its like has come already, or the peer has begun
 * to send the message in more and smaller ones (RFC 7383 §2.6). Undefined where it may be of use.
 */
export function uselessness(
  sa: IkeSa,
  response: boolean,
  messageId: number,
  fragment: SkfPayload,
): Extract<DropReason, 'repeatedFragment' | 'obsoleteFragment'> | undefined {
  const begun = begunOf(sa, response, messageId);
  if (begun === undefined || fragment.totalFragments > begun.contents.length) return undefined;
  if (fragment.totalFragments < begun.contents.length) return 'obsoleteFragment';
  return begun.contents[fragment.fragmentNumber - 1] === undefined ? undefined : 'repeatedFragment';
}

/**
 * Takes in a fragment; the message, where this was the last one missing. A higher total than before begins anew, one
 * beyond the limits is reported and dropped.
 */
export function takeFragment(core: Core, at: Instant, sa: IkeSa, fragment: Fragment): Reassembled | undefined {
  const begun = begunOf(sa, fragment.response, fragment.messageId);
  const reassembly = begun?.contents.length === fragment.total ? begun : begin(core, at, sa, fragment);
  if (reassembly === undefined || !keep(core, sa, reassembly, fragment)) return undefined;
  if (reassembly.missing > 0) return undefined;
  forgetReassembly(sa, fragment.response);
  const { first, contents, tag, origins } = reassembly;
  return { chain: { first, bytes: joined(contents) }, tag, origin: originOf(sa, origins) ?? fragment.path };
}

/** Lets go of what has arrived of a request, or of a response, of the peer. */
export function forgetReassembly(sa: IkeSa, response: boolean): void {
  forgetWhere(sa, (reassembly) => reassembly.response === response);
}

/** Lets go of all that has arrived of messages that are not complete. */
export function forgetReassemblies(sa: IkeSa): void {
  forgetWhere(sa, () => true);
}

/** Lets go of messages whose other fragments have not come in time; their sender repeats them, or is gone. */
export function expireReassemblies(core: Core, at: Instant, sa: IkeSa): void {
  for (const { expiresAt, missing, contents } of sa.reassemblies) {
    if (expiresAt > at) continue;
    core.drop(sa.path, 'reassemblyTimeout', `${missing} of ${contents.length} fragments of a message never came`);
  }
  forgetWhere(sa, ({ expiresAt }) => expiresAt <= at);
}

/** Begins a message; undefined where there is no room. What came before in its direction is of no use any more. */
function begin(core: Core, at: Instant, sa: IkeSa, fragment: Fragment): Reassembly | undefined {
  const { response, messageId, total, path } = fragment;
  forgetReassembly(sa, response);
  const room = isStranger(sa) ? core.strangersRoom : core.peersRoom;
  const bytes = REASSEMBLY_BYTES + total * SLOT_BYTES;
  if (total > room.limits.fragments) {
    core.drop(path, 'reassemblyLimit', `a message in ${total} fragments`);
    return undefined;
  }
  if (room.messages >= room.limits.messages || !room.has(bytes)) {
    core.drop(path, 'reassemblyLimit', `${room.messages} messages are being put together already`);
    return undefined;
  }
  const expiresAt = at + core.context.limits.reassemblyMs;
  const contents = Array.from<Uint8Array | undefined>({ length: total });
  const empty = { contents, origins: [], missing: total, bytes, first: PayloadType.NONE, tag: NO_BYTES };
  const reassembly: Reassembly = { response, messageId, expiresAt, room, ...empty };
  room.messages += 1;
  room.bytes += bytes;
  sa.reassemblies = [...sa.reassemblies, reassembly];
  return reassembly;
}

/** Keeps a fragment until the others are there; false where there is no room. */
function keep(core: Core, sa: IkeSa, reassembly: Reassembly, fragment: Fragment): boolean {
  const { room } = reassembly;
  const bytes = fragment.content.bytes.length + FRAGMENT_BYTES;
  if (reassembly.bytes + bytes > room.limits.messageBytes) {
    forgetReassembly(sa, fragment.response);
    core.drop(fragment.path, 'reassemblyLimit', 'a message in fragments is too long');
    return false;
  }
  if (!room.has(bytes)) {
    core.drop(fragment.path, 'reassemblyLimit', `${room.messages} messages are being put together already`);
    return false;
  }
  reassembly.contents[fragment.number - 1] = fragment.content.bytes;
  reassembly.origins.push(fragment.path);
  reassembly.missing -= 1;
  reassembly.bytes += bytes;
  room.bytes += bytes;
  if (fragment.number === 1) {
    reassembly.first = fragment.content.first;
    reassembly.tag = fragment.tag;
  }
  return true;
}

/** A peer that has not said who it is, or has not proved it. */
function isStranger(sa: IkeSa): boolean {
  return sa.state.kind !== 'established' && sa.state.kind !== 'rekeyed' && sa.state.kind !== 'deleting';
}

function begunOf(sa: IkeSa, response: boolean, messageId: number): Reassembly | undefined {
  return sa.reassemblies.find((each) => each.response === response && each.messageId === messageId);
}

function forgetWhere(sa: IkeSa, isForgotten: (reassembly: Reassembly) => boolean): void {
  if (sa.reassemblies.length === 0) return;
  for (const reassembly of sa.reassemblies) {
    if (!isForgotten(reassembly)) continue;
    reassembly.room.messages -= 1;
    reassembly.room.bytes -= reassembly.bytes;
  }
  const kept = sa.reassemblies.filter((reassembly) => !isForgotten(reassembly));
  sa.reassemblies = kept.length === 0 ? NO_REASSEMBLIES : kept;
}

function joined(contents: readonly (Uint8Array | undefined)[]): Uint8Array {
  const bytes = new Uint8Array(contents.reduce((sum, content) => sum + (content?.length ?? 0), 0));
  let at = 0;
  for (const content of contents) {
    if (content === undefined) continue;
    bytes.set(content, at);
    at += content.length;
  }
  return bytes;
}

function originOf({ path }: IkeSa, origins: readonly Path[]): Path | undefined {
  const unmoved = origins.filter(({ remoteAddress }) => remoteAddress === path.remoteAddress);
  return mostFrequent(unmoved.length === 0 ? origins : unmoved);
}

/** The path that occurs most often, of several the one that came first. */
function mostFrequent(paths: readonly Path[]): Path | undefined {
  const counts = new Map<string, { readonly path: Path; count: number }>();
  for (const path of paths) {
    const { localAddress, localPort, remoteAddress, remotePort } = path;
    const key = `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { path, count: 1 });
    else known.count += 1;
  }
  const most = Math.max(...[...counts.values()].map(({ count }) => count));
  return [...counts.values()].find(({ count }) => count === most)?.path;
}

/** About what is occupied by a message of which nothing has arrived, and by a fragment beside its content. */
const REASSEMBLY_BYTES = 256;
const SLOT_BYTES = 8;
const FRAGMENT_BYTES = 128;
const NO_BYTES = new Uint8Array(0);
