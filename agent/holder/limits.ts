/** Bytes of a request or an answer: the names of all sockets, and room. */
export const MAX_MESSAGE_BYTES = 32_768;
/** Characters of a socket's name: the longest IPv6 address, an interface, a port. */
export const MAX_NAME_CHARACTERS = 100;
/** Sockets that are held: an agent has at most 64 addresses; those of an earlier configuration may be there, too. */
export const MAX_SOCKETS = 200;
/** Peers that get keepalives: as many connections as an agent behind a NAT can be expected to have. */
export const MAX_KEEPALIVES = 1_024;
/** Connections at a time: an agent, its successor, a new holder, somebody who looks. */
export const MAX_CLIENTS = 8;
/** Messages of one client that are carried out before others have their turn. */
export const MAX_MESSAGES_PER_TURN = 64;
/**
 * What an agent waits for an answer, which takes well below a millisecond but where the host has no time for the holder.
 * The agent's own work stands still meanwhile.
 */
export const ANSWER_TIMEOUT_MS = 5_000;
