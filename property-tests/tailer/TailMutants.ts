/** Small wrong changes to the service, each with the sentence that must see it. */
import type { SentenceName } from "./TailSentences.ts"
import type { TailModule } from "./TailMutant.ts"

export interface TailMutant {
  readonly name: string
  readonly killedBy: SentenceName
  readonly module: TailModule
  readonly search: string
  readonly replacement: string
}

const mutant = (
  name: string,
  killedBy: SentenceName,
  module: TailModule,
  search: string,
  replacement = ""
): TailMutant => ({ name, killedBy, module, search, replacement })

export const TAIL_MUTANTS: ReadonlyArray<TailMutant> = [
  mutant("a shorter file goes on", "conserved", "TailPoll", "if (facts.size < file.seen) {", "if (facts.size < 0) {"),
  mutant(
    "another file goes on where the old one ended",
    "conserved",
    "TailPoll",
    'yield* carryOut(world, file, tell(file, { type: "REPLACED" }, now))',
    "void now"
  ),
  mutant("a gap is counted and not told", "conserved", "TailPoll", "yield* file.consumer.gap(gap)"),
  mutant(
    "a missing name is asked for again",
    "conserved",
    "TailPoll",
    'if (error.code === "ENOENT") file.isListed = false'
  ),
  mutant("what broke off is not read again", "conserved", "TailPoll", "file.isUnread = true"),
  mutant(
    "a record that came meanwhile ends a look of long ago",
    "conserved",
    "TailPoll",
    "if (promised === null || file.offset < promised.bytes",
    "if (file.record === null || file.offset < file.record.bytes"
  ),
  mutant(
    "the record on the volume is not looked for",
    "conserved",
    "TailPoll",
    "names?.has(file.spec.recordName) === true",
    "names?.has(file.spec.logName) === false"
  ),
  mutant(
    "what is acknowledged counts before it is",
    "conserved",
    "TailRead",
    "yield* delivery.effect",
    "file.offset += bytes.length\n    yield* delivery.effect\n    file.offset -= bytes.length"
  ),
  mutant(
    "the lag is that of this poll alone",
    "metered",
    "TailRead",
    "now.uptime - file.readAllAt",
    "now.uptime - chunk.began"
  ),
  mutant("a poll that finds nothing tells nothing of the lag", "metered", "TailPoll", "file.readAllAt = file.polledAt"),
  mutant(
    "a read is told to the meter in advance",
    "metered",
    "TailRead",
    "if (file.offset > before)",
    "if (file.seen > before)"
  ),
  mutant("lines are counted by batch", "conserved", "TailRead", "file.line += delivery.lines", "file.line++"),
  mutant(
    "one read of a network volume is all",
    "conserved",
    "TailRead",
    "if (!reopen) return",
    "if (reopen || !reopen) return"
  ),
  mutant(
    "a last line without a newline is left out",
    "conserved",
    "TailRead",
    "const isLast = filled === left || (isEnd && filled < wanted)",
    "const isLast = isEnd && false"
  ),
  mutant("batches grow to 16 KiB", "conserved", "TailLines", "at + most - 1", "at + 2 * most - 1"),
  mutant(
    "what an earlier process delivered counts as delivered by this one",
    "conserved",
    "TailDigest",
    "Math.max(0, this.since - this.at)",
    "0"
  ),
  mutant(
    "a closed tail is polled once more",
    "conserved",
    "Tails",
    "if (file.isDone) continue\n      const fact",
    "const fact"
  ),
  mutant(
    "descriptors stay open",
    "conserved",
    "Tails",
    "if (fiber === null) return yield* closeHandle(world, file)",
    "if (fiber === null) return"
  ),
  mutant("the hash of the file is enough", "mixedBurst", "TailPoll", " && digest.isOfDelivered"),
  mutant(
    "nobody compares the hash",
    "bounded",
    "TailPoll",
    "hex === record.sha256.toLowerCase() && digest.isOfDelivered",
    "hex.length > 0"
  ),
  mutant("what is missing is not counted", "bounded", "TailEnd", "Math.max(0, record.bytes - offset)", "0"),
  mutant(
    "what has no newline is left out at the end",
    "bounded",
    "TailPoll",
    "look(world, file, facts, { end, isEnd: true })",
    "look(world, file, facts, { end, isEnd: false })"
  ),
  mutant("four polls are quiet enough", "cadence", "TailPoll", "file.quiet >= TAIL_QUIET_POLLS", "file.quiet > 3"),
  mutant("growth is not told", "cadence", "TailRead", "grown(file, yield* world.uptime.read)", "file.hasGrown = true"),
  mutant(
    "a minute runs from the fall to idle",
    "cadence",
    "TailPoll",
    "quietMs: file.polledAt - file.grewAt",
    "quietMs: 0"
  ),
  mutant(
    "opening anew is enough on a network volume",
    "network",
    "TailPoll",
    "yield* world.remote.withPermits(1)(world.files.read(handle, byte, 0, 1, Math.max(0, file.offset - 1)))",
    "void byte"
  ),
  mutant(
    "of an empty file nobody asks the server",
    "network",
    "TailPoll",
    "if (file.seen === 0) yield*",
    "if (file.seen < 0) yield*"
  ),
  mutant(
    "what orphans wrote behind the last byte counts",
    "bounded",
    "TailPoll",
    "if (digest.at > record.bytes) digest.rewind()"
  ),
  mutant("nobody verifies", "mixed", "TailPoll", "hex === record.sha256.toLowerCase() && digest.isOfDelivered", "true"),
  mutant(
    "a file is not looked for by listing",
    "appears",
    "Tails",
    "return !file.isListed &&",
    "return file.isListed &&"
  ),
  mutant(
    "a buffer stays with whoever waits for its consumer",
    "stalls",
    "TailBuffers",
    "return this.free() ?? this.slots.find(({ lease }) => lease?.isIdle === true)",
    "return this.free()"
  ),
  mutant("a lost buffer is read on", "stalls", "TailRead", "if (!isOurs) return true"),
  mutant(
    "what was read ahead is taken from anywhere",
    "stalls",
    "TailRead",
    "ahead?.position === file.offset",
    "ahead !== null"
  ),
  mutant(
    "a part ends within a character",
    "longLines",
    "TailLines",
    "return lead + width > chunk.length ? lead : chunk.length",
    "return lead + width > 0 ? chunk.length : lead"
  ),
  mutant(
    "parts begin at 0 after a restart",
    "longLines",
    "TailRead",
    "file.part = partsBefore(file.offset - start)",
    "file.part = partsBefore(0 * start)"
  ),
  mutant(
    "a consumer that stalls holds up its file's end",
    "settles",
    "Tails",
    "Math.min(file.isBusy ? Infinity : file.pollAt, nextDue(file.instance).uptime)",
    "file.isBusy ? Infinity : Math.min(file.pollAt, nextDue(file.instance).uptime)"
  )
]
