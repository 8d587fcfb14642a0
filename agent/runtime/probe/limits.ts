/** Peers that a node sends probes to. */
export const MAX_TARGETS = 1_000;
/** Probes to each: some are enough to see that all pass, and nobody is flooded. */
export const MAX_PROBES = 100;
/** How long is waited for peers to begin. */
export const MAX_PATIENCE_SECONDS = 600;
