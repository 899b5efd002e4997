// @effect-diagnostics nodeBuiltinImport:off - hashes that go on from where they are, which the digests of Effect cannot
/**
 * Whether what was delivered is what the record says.
 *
 * SHA-256 costs twice as much as everything else that happens to a byte. A live file pays it as it goes; a burst is
 * delivered first, and read once more for its hash when nothing else is to be done. A CRC-32 over what was delivered
 * and over what is read again keeps both the same bytes.
 *
 * @ref LLP 0017#the-hash [implements]: a cursor that may lag, and a checksum that ties it to what was delivered
 */
import { createHash, type Hash } from "node:crypto"
import { crc32 } from "node:zlib"

export class TailDigest {
  /** How far the hash has come. */
  at = 0
  /** The first byte that this process delivered. */
  private since = 0
  private delivered = 0
  private hashed = 0
  private hash: Hash | null = null

  /** Begins anew: of the bytes before `since` nothing was delivered by this process. */
  reset(since: number): void {
    this.at = 0
    this.since = since
    this.delivered = 0
    this.hashed = 0
    this.hash = null
  }

  /** The checksum once these bytes are acknowledged. */
  after(bytes: Uint8Array): number {
    return crc32(bytes, this.delivered)
  }

  acknowledge(checksum: number): void {
    this.delivered = checksum
  }

  /** The bytes from `at` on. */
  update(bytes: Uint8Array): void {
    this.hash ??= createHash("sha256")
    this.hash.update(bytes)
    const known = Math.max(0, this.since - this.at)
    this.hashed = known === 0 ? crc32(bytes, this.hashed) : crc32(bytes.subarray(known), this.hashed)
    this.at += bytes.length
  }

  /** Begins to hash from the first byte again. */
  rewind(): void {
    this.at = 0
    this.hashed = 0
    this.hash = null
  }

  /** The SHA-256 of everything up to `at`, in hex; the hash can go on from there. */
  hex(): string {
    return (this.hash ?? createHash("sha256")).copy().digest("hex")
  }

  /** Whether what was hashed is what was delivered, to its last byte. */
  get isOfDelivered(): boolean {
    return this.hashed === this.delivered
  }
}
