import { NotifyType } from '../../wire/registry.ts';

/*
 * What happens when a request of the peer meets something of ours that is under way, as data: RFC 7296 §2.25.1 for Child
 * SAs, §2.25.2 for IKE SAs, §2.8.1 and §2.8.2 for rekeys that cross. Both ends go by the same table, so neither is left
 * with what the other one does not have.
 */

/** What the peer asks for. */
export type PeerRequest = 'createChild' | 'rekeyChild' | 'deleteChild' | 'rekeyIkeSa' | 'deleteIkeSa';

/** What we have under way on the same IKE SA; `rekeyedIkeSa`: it has been replaced and only waits for its Delete. */
export type OwnOperation = 'none' | PeerRequest | 'rekeyedIkeSa';

/**
 * How the Child SA of the request stands to what we have under way: it is the `same`; it is an `other` one; we have it,
 * but it is `leaving`, because it has been replaced or is about to be deleted; or it is `unknown`.
 */
export type Target = 'same' | 'other' | 'leaving' | 'unknown';

/** What to do with the request. */
export type Decision =
  /** As if nothing else were under way. */
  | 'grant'
  /** Grant it; when our own exchange ends, the one with the lowest of the four nonces is redundant (§2.8.1). */
  | 'grantAndCompare'
  /** Two Child SAs of one configuration are created at once: that of the original initiator of the IKE SA is. */
  | 'grantToInitiator'
  /** Do as is asked, and let go of what we have under way. */
  | 'grantAndForgetOwn'
  /** Answer without a Delete payload: there is nothing that it could name (§1.4.1). */
  | 'acknowledge'
  | 'temporaryFailure'
  | 'childSaNotFound';

/** What the table says about a request; `target` concerns those about a Child SA that is there. */
export function decide(request: PeerRequest, own: OwnOperation, target: Target): Decision {
  const cell = DECISIONS[request][own];
  return typeof cell === 'string' ? cell : cell[target];
}

type Cell = Decision | Readonly<Record<Target, Decision>>;

/** A Child SA that is asked to be rekeyed while nothing of ours concerns it in particular. */
const REKEY: Readonly<Record<Target, Decision>> = {
  same: 'grant',
  other: 'grant',
  leaving: 'temporaryFailure',
  unknown: 'childSaNotFound',
};
/** What we do not know may be what the peer has granted us: its answer, still under way, will tell. */
const REKEY_WHILE_ASKING: Readonly<Record<Target, Decision>> = { ...REKEY, unknown: 'temporaryFailure' };
const DELETE: Readonly<Record<Target, Decision>> = {
  same: 'grant',
  other: 'grant',
  leaving: 'grant',
  unknown: 'acknowledge',
};

const DECISIONS: Readonly<Record<PeerRequest, Readonly<Record<OwnOperation, Cell>>>> = {
  createChild: {
    none: 'grant',
    createChild: { same: 'grantToInitiator', other: 'grant', leaving: 'grant', unknown: 'grant' },
    rekeyChild: 'grant',
    deleteChild: 'grant',
    rekeyIkeSa: 'temporaryFailure',
    deleteIkeSa: 'temporaryFailure',
    rekeyedIkeSa: 'temporaryFailure',
  },
  rekeyChild: {
    none: REKEY,
    createChild: REKEY_WHILE_ASKING,
    rekeyChild: { ...REKEY_WHILE_ASKING, same: 'grantAndCompare' },
    deleteChild: { ...REKEY, same: 'temporaryFailure' },
    rekeyIkeSa: 'temporaryFailure',
    deleteIkeSa: 'temporaryFailure',
    rekeyedIkeSa: 'temporaryFailure',
  },
  deleteChild: {
    none: DELETE,
    createChild: DELETE,
    rekeyChild: DELETE,
    deleteChild: { ...DELETE, same: 'acknowledge' },
    rekeyIkeSa: DELETE,
    deleteIkeSa: DELETE,
    rekeyedIkeSa: 'acknowledge',
  },
  rekeyIkeSa: {
    none: 'grant',
    createChild: 'temporaryFailure',
    rekeyChild: 'temporaryFailure',
    deleteChild: 'temporaryFailure',
    rekeyIkeSa: 'grantAndCompare',
    deleteIkeSa: 'temporaryFailure',
    rekeyedIkeSa: 'temporaryFailure',
  },
  deleteIkeSa: {
    none: 'grant',
    createChild: 'grantAndForgetOwn',
    rekeyChild: 'grantAndForgetOwn',
    deleteChild: 'grantAndForgetOwn',
    rekeyIkeSa: 'grantAndForgetOwn',
    deleteIkeSa: 'grantAndForgetOwn',
    rekeyedIkeSa: 'grant',
  },
};

/** What we asked for and the peer refused. */
type OwnRequest = 'createChild' | 'rekeyChild' | 'rekeyIkeSa';

/** What follows from a refusal. */
export type Reaction =
  /** The peer is busy: again after a while, for some minutes (§2.25). */
  | 'retryLater'
  /** The peer has taken the same step before us: nothing is missing. */
  | 'nothing'
  /** The peer does not have the Child SA: ours goes without a word, and a new one is asked for (§2.25). */
  | 'createAnew'
  /** The peer will not do this on the IKE SA that stands: a new one brings what was asked for. */
  | 'reauthenticate'
  /** It is asked for again, ever more rarely. */
  | 'fail';

/** What to do about a refusal; `overtaken`: the peer has rekeyed or deleted meanwhile what we wanted to rekey. */
export function react(request: OwnRequest, notifyType: number, overtaken: boolean): Reaction {
  if (overtaken) return 'nothing';
  const row = REACTIONS[request];
  return row.byNotify.get(notifyType) ?? row.otherwise;
}

const REACTIONS: Readonly<
  Record<OwnRequest, { readonly byNotify: ReadonlyMap<number, Reaction>; readonly otherwise: Reaction }>
> = {
  createChild: {
    byNotify: new Map<number, Reaction>([[NotifyType.NO_ADDITIONAL_SAS, 'reauthenticate']]),
    otherwise: 'fail',
  },
  rekeyChild: {
    byNotify: new Map<number, Reaction>([
      [NotifyType.TEMPORARY_FAILURE, 'retryLater'],
      [NotifyType.CHILD_SA_NOT_FOUND, 'createAnew'],
    ]),
    otherwise: 'reauthenticate',
  },
  rekeyIkeSa: {
    byNotify: new Map<number, Reaction>([[NotifyType.TEMPORARY_FAILURE, 'retryLater']]),
    otherwise: 'reauthenticate',
  },
};
