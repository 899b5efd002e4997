/** The lines that the adapter itself puts into a run's output, known again by the parser of the host's pages. */

/** What begins them. */
export const OWN = "[holdfast] "
/** Those that say only that it is there, which pages leave out. */
export const KEEP_ALIVE = "keep-alive:"
