import type { CredentialKind, Fact } from '../../ike/fact.ts';
import { trafficText } from '../../ike/negotiation/traffic.ts';
import type { Path } from '../../ike/types.ts';
import { timeText } from '../../pki/utc-time.ts';
import type { Clock, Observer } from '../../ports.ts';
import { assertNever } from '../../result.ts';
import { durationText } from '../config/scalars.ts';
import { closeRemedy } from '../status/close-remedy.ts';
import { arrivalFault } from '../status/peer-verdict.ts';
import type { Log } from './logger.ts';

/**
 * Writes facts into the log: what an operator acts on as warnings with what to do, the life of SAs as information, and
 * every step of the protocol for whoever debugs. What strangers can cause is written now and then, not every time.
 */
export class LogObserver implements Observer {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #recent = new Map<string, { at: number; suppressed: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  note(fact: Fact): void {
    switch (fact.kind) {
      case 'ikeSaEstablished':
      case 'ikeSaClosed':
        this.#noteIkeSa(fact);
        return;
      case 'childSaEstablished':
      case 'childSaClosed':
        this.#noteChildSa(fact);
        return;
      case 'negotiationFailed':
        this.#warn(`${fact.connection} ${fact.reason}`, 'negotiation failed', {
          peer: fact.connection,
          ...ends(fact.path),
          reason: fact.reason,
          by: fact.by,
          text: fact.text,
        });
        return;
      case 'dataplaneFailed':
        this.#warn(`${fact.connection} ${fact.error.object}`, 'the kernel refused a command', {
          peer: fact.connection,
          command: fact.error.command,
          object: fact.error.object,
          errno: fact.error.errno,
          text: fact.error.message,
        });
        return;
      case 'cookiesDemanded':
        this.#noteCookies(fact);
        return;
      case 'natDetected':
        this.#log.info({ peer: fact.connection, behindNat: behindNat(fact) }, 'NAT detected');
        return;
      case 'peerMoved':
        this.#log.info({ peer: fact.connection, ...ends(fact.to), was: ends(fact.from).remote }, 'peer moved');
        return;
      case 'saExpired':
        this.#noteExpiry(fact);
        return;
      case 'credentialHeldBack':
      case 'credentialTaken':
      case 'credentialEnding':
      case 'peerRevoked':
        this.#noteCredential(fact);
        return;
      case 'childSaRekeyed': {
        const { connection: peer, child, by } = fact;
        const pairs = { peer, child, by, from: hex(fact.replacedInboundSpi), in: hex(fact.inboundSpi) };
        this.#log.info(pairs, 'Child SA rekeyed');
        return;
      }
      case 'ikeSaRekeyed': {
        const { connection: peer, ikeSa, replaced, role, suite, initiatorSpi, responderSpi } = fact;
        const pairs = { peer, ikeSa, replaced, ...ends(fact.path), role, suite, initiatorSpi, responderSpi };
        this.#log.info(pairs, 'IKE SA rekeyed');
        return;
      }
      case 'rekeyFailed': {
        const { connection: peer, child, reason, by } = fact;
        const text = 'a new IKE SA is negotiated; what is there stays in use';
        this.#warn(`${peer} ${child} rekey`, 'rekey failed', { peer, child, reason, by, text });
        return;
      }
      case 'saTampered':
      case 'policyRestored':
        this.#noteTampering(fact);
        return;
      case 'arrivalChanged':
        this.#noteArrival(fact);
        return;
      case 'espFallback': {
        const text = 'IKE passes: let ESP (IP protocol 50) through on the path, or set natTraversal to Always';
        this.#log.warn({ peer: fact.connection, text }, 'ESP does not arrive; it is sent in UDP from here on');
        return;
      }
      case 'orphanRemoved':
        this.#log.info({ peer: fact.connection, spi: hex(fact.spi) }, 'SA of an earlier run removed');
        return;
      default:
        this.#debug(fact);
    }
  }

  #noteIkeSa(fact: Extract<Fact, { kind: 'ikeSaEstablished' | 'ikeSaClosed' }>): void {
    const pairs = { peer: fact.connection, ikeSa: fact.ikeSa, ...ends(fact.path) };
    if (fact.kind === 'ikeSaEstablished') {
      const { role, suite, initiatorSpi, responderSpi } = fact;
      const milliseconds = Math.round(fact.handshakeMs);
      this.#log.info({ ...pairs, role, suite, initiatorSpi, responderSpi, milliseconds }, 'IKE SA established');
      return;
    }
    const closed = { ...pairs, reason: fact.reason };
    const remedy = closeRemedy(fact.reason);
    // Why an attempt came to nothing has been told by a negotiationFailed of its own.
    if (!fact.established) this.#log.debug(closed, 'IKE SA given up');
    else if (remedy !== undefined) this.#log.warn({ ...closed, text: remedy }, 'IKE SA lost');
    else this.#log.info(closed, 'IKE SA closed');
  }

  #noteChildSa(fact: Extract<Fact, { kind: 'childSaEstablished' | 'childSaClosed' }>): void {
    const { connection: peer, child, inboundSpi, outboundSpi } = fact;
    const pairs = { peer, child, in: hex(inboundSpi), out: hex(outboundSpi) };
    if (fact.kind === 'childSaClosed') {
      this.#log.info({ ...pairs, reason: fact.reason }, 'Child SA closed');
      return;
    }
    const { suite, reqid } = fact;
    const traffic = trafficText(fact.traffic);
    this.#log.info({ ...pairs, suite, reqid, traffic }, 'Child SA established');
  }

  #noteExpiry(fact: Extract<Fact, { kind: 'saExpired' }>): void {
    const pairs = { peer: fact.connection, child: fact.child };
    if (!fact.hard) this.#log.debug(pairs, 'SA is due for replacement');
    else this.#log.warn({ ...pairs, text: 'it was not replaced in time; look for failures before this' }, 'SA expired');
  }

  #noteTampering(fact: Extract<Fact, { kind: 'saTampered' | 'policyRestored' }>): void {
    if (fact.kind === 'policyRestored') {
      const { object } = fact;
      const text = 'another program has removed it: see who else administers IPsec on this host';
      this.#warn('policy', 'a policy was not in the kernel any more, and was put back', { object, text });
      return;
    }
    const { connection: peer, child, spi } = fact;
    const text = 'another program has deleted or replaced it: a new pair is negotiated';
    this.#warn(`${peer} ${child} SA`, 'an SA is not in the kernel any more', { peer, child, spi: hex(spi), text });
  }

  #noteArrival({ connection: peer, child, inbound, outbound }: Extract<Fact, { kind: 'arrivalChanged' }>): void {
    const pairs = { peer, child, in: inbound, out: outbound };
    const why = arrivalFault({ inbound, outbound }, undefined);
    if (why === undefined) this.#log.info(pairs, 'packets get through again');
    else this.#log.warn({ ...pairs, reason: why.reason, text: why.message }, 'packets do not get through');
  }

  #noteCookies({ demanded, halfOpen }: Extract<Fact, { kind: 'cookiesDemanded' }>): void {
    if (!demanded) {
      this.#log.info({ halfOpen }, 'peers need not prove their addresses any more');
      return;
    }
    const text = 'many begin and do not go on: a flood, or many peers that start at once; known ones still get through';
    this.#warn('cookies', 'peers have to prove their addresses first', { halfOpen, text });
  }

  #noteCredential(
    fact: Extract<Fact, { kind: 'credentialHeldBack' | 'credentialTaken' | 'credentialEnding' | 'peerRevoked' }>,
  ): void {
    switch (fact.kind) {
      case 'credentialHeldBack':
        this.#log.error({ text: fact.text }, 'a file cannot be used; what was read before stays in use');
        return;
      case 'credentialTaken':
        this.#log.info(
          { what: CREDENTIALS[fact.what], name: fact.name, until: timeText(fact.notAfterMs) },
          'taken into use',
        );
        return;
      case 'credentialEnding': {
        const { what, name, file, notAfterMs, leftMs } = fact;
        const pairs = { what: CREDENTIALS[what], name, file, until: timeText(notAfterMs) };
        if (leftMs > 0) this.#log.warn({ ...pairs, left: durationText(leftMs) }, 'ends soon: put its successor there');
        else this.#log.error(pairs, 'has ended: put its successor there');
        return;
      }
      case 'peerRevoked':
        this.#log.warn({ peer: fact.connection, text: fact.text }, 'the certificate of the peer has been revoked');
        return;
    }
  }

  #debug(fact: Fact): void {
    if (!this.#log.isLevelEnabled('debug')) return;
    switch (fact.kind) {
      case 'retransmitted':
        this.#log.debug({ peer: fact.connection, ...ends(fact.path), attempt: fact.attempt }, 'request repeated');
        return;
      case 'livenessChecked':
        this.#log.debug({ peer: fact.connection, ...ends(fact.path) }, 'liveness check sent');
        return;
      case 'datagramDropped':
        this.#log.debug({ ...ends(fact.path), reason: fact.reason, text: fact.text }, 'datagram dropped');
        return;
      case 'responseReplayed':
        this.#log.debug({ peer: fact.connection, ...ends(fact.path) }, 'response repeated');
        return;
      case 'notifyIgnored':
        this.#log.debug({ peer: fact.connection, notify: fact.notifyType }, 'notify ignored');
        return;
      case 'reauthenticationDemanded':
        this.#log.info({ peer: fact.connection, seconds: fact.seconds }, 'the peer wants a new proof of identity');
        return;
      case 'rekeyPostponed':
        this.#log.debug({ peer: fact.connection, child: fact.child }, 'the peer has no time for a rekey now');
        return;
      case 'collision': {
        const { connection: peer, child, request, own, decision } = fact;
        this.#log.debug({ peer, child, request, own, decision }, 'requests crossed');
        return;
      }
      case 'pathMtuFound': {
        const { connection: peer, bytes, most } = fact;
        this.#log.debug({ peer, bytes, most }, 'packets of this length arrive');
        return;
      }
      case 'acquired':
        this.#log.debug({ peer: fact.connection, child: fact.child }, 'traffic asks for an SA');
        return;
      case 'ikeSaEstablished':
      case 'ikeSaClosed':
      case 'childSaEstablished':
      case 'childSaClosed':
      case 'negotiationFailed':
      case 'dataplaneFailed':
      case 'cookiesDemanded':
      case 'natDetected':
      case 'peerMoved':
      case 'saExpired':
      case 'credentialHeldBack':
      case 'credentialTaken':
      case 'credentialEnding':
      case 'peerRevoked':
      case 'orphanRemoved':
      case 'saTampered':
      case 'policyRestored':
      case 'arrivalChanged':
      case 'espFallback':
      case 'childSaRekeyed':
      case 'ikeSaRekeyed':
      case 'rekeyFailed':
        return;
      default:
        assertNever(fact);
    }
  }

  /** One warning about the same thing in a while; the next one says how many there were in between. */
  #warn(about: string, message: string, pairs: Readonly<Record<string, unknown>>): void {
    const now = this.#clock.monotonicMs();
    const last = this.#recent.get(about);
    if (last !== undefined && now - last.at < LEAST_INTERVAL_MS) {
      last.suppressed += 1;
      return;
    }
    if (last === undefined && this.#recent.size >= MAX_SUBJECTS) this.#recent.clear();
    this.#recent.set(about, { at: now, suppressed: 0 });
    const suppressed = last?.suppressed ?? 0;
    this.#log.warn(suppressed === 0 ? pairs : { ...pairs, similar: suppressed }, message);
  }
}

function ends(path: Path): { readonly local: string; readonly remote: string } {
  return { local: end(path.localAddress, path.localPort), remote: end(path.remoteAddress, path.remotePort) };
}

function end(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function hex(spi: number): string {
  return spi.toString(16).padStart(8, '0');
}

function behindNat(fact: { readonly local: boolean; readonly remote: boolean }): string {
  if (fact.local && fact.remote) return 'both';
  return fact.local ? 'this node' : 'the peer';
}

const CREDENTIALS: Readonly<Record<CredentialKind, string>> = {
  own: 'our certificate',
  authority: 'the certificate of an authority',
  revocationList: 'a revocation list',
};
/** A failing peer is tried again every few seconds to a minute; a forged failure comes as often as somebody likes. */
const LEAST_INTERVAL_MS = 10_000;
/** Subjects of warnings that are remembered: every peer of the largest configuration failing in two ways. */
const MAX_SUBJECTS = 10_000;
