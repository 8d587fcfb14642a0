/** Where a scenario that measures leaves what it has read, in its folder. Stands alone: what starts the lab has no place in it. */
export const READINGS_FILE = 'readings.json';
