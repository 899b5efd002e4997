/**
 * The part of the pod command that ends a run: what the output was, that it has arrived, and the record of it.
 *
 * @ref LLP 0016#the-end [implements]: counts at the agent's end, drain, record in place, one rename
 */
import { BLOCK } from "./PodCommandCopy.ts"

/** Blanks that a record is padded to, its newline included: it is replaced in place and never grows. */
export const RECORD_BYTES = 512

/** While process 1 waits for a copier, it looks every 0.1 s, and after so many tenths every 0.5 s. */
const OFTEN_TENTHS = 10
/** The volume may delay the end of a run by so much, s; the container's stdout by less. */
const DRAIN_SECONDS = 10
const STDOUT_SECONDS = 3
const RECORD_SECONDS = 5

/** Of the scratch file at the agent's end. What orphans write later changes none of it. */
const measure = String.raw`
hf_first() {
  [ "$hf_n" -lt ${BLOCK} ] || dd bs=${BLOCK} count=$((hf_n / ${BLOCK}))
  [ $((hf_n % ${BLOCK})) -eq 0 ] || dd bs=$((hf_n % ${BLOCK})) count=1
}
hf_measure() {
  hf_x=end
  hf_size "$hf_d/stdout" || hf_size "$hf_d/stdout" || return 1
  hf_n=$hf_z
  printf '%s\n' "$hf_n" >"$hf_d/stop"
  hf_h=$(hf_first <"$hf_d/stdout" 2>/dev/null | sha256sum)
  hf_l=$(hf_first <"$hf_d/stdout" 2>/dev/null | wc -l)
  case $hf_h in ????????????????????????????????????????????????????????????????\ *) ;; *) return 1 ;; esac
  [ -n "$hf_l" ] || return 1
  hf_h=$(printf '%.64s' "$hf_h")
  hf_l=$((hf_l))
  [ "$hf_n" -eq 0 ] || [ $(($(dd bs=1 skip=$((hf_n - 1)) count=1 <"$hf_d/stdout" 2>/dev/null | wc -l))) -gt 0 ] ||
    hf_l=$((hf_l + 1))
}`

/** The record, padded, where no volume can hold it back: the run's own disk, and where the platform looks for it. */
const say = String.raw`
hf_say() {
  hf_r=null
  [ "$hf_s" -le 128 ] || [ "$hf_s" -gt 192 ] || hf_r=$((hf_s - 128))
  hf_r=$(printf '{"exit_code":%s,"signal":%s,"bytes":%s,"lines":%s,"sha256":"%s"%s}' \
    "$hf_s" "$hf_r" "$hf_n" "$hf_l" "$hf_h" "$1")
  printf '%-${RECORD_BYTES - 1}s\n' "$hf_r" >"$hf_d/record"
  printf '%-${RECORD_BYTES - 1}s\n' "$hf_r" 1<>"$hf_term"
}`

/** Ends a copier and whatever it waits for; one that hangs in the system itself ends with the volume. */
const drain = String.raw`
hf_kill() {
  true >"$hf_d/$1.quit"
  for hf_f in "$hf_d/$1"*.[cd]; do
    read -r hf_p <"$hf_f" && [ -n "$hf_p" ] && kill -KILL "$hf_p"
  done
}
hf_done() {
  [ ! -e "$hf_d/$1.done" ] || return 0
  kill -0 "$2" && return 1
  [ ! -e "$hf_d/$1.done" ] || return 0
  [ "$1" = vol ] && [ "$hf_y" -lt 3 ] || return 0
  hf_y=$((hf_y + 1))
  hf_keep vol "r$hf_y-" </dev/null >/dev/null &
  hf_v=$!
  return 1
}
hf_pause() {
  if [ "$hf_i" -lt ${OFTEN_TENTHS} ]; then sleep "$hf_look"; hf_i=$((hf_i + hf_one))
  else sleep "$hf_slow"; hf_i=$((hf_i + hf_five))
  fi
}
hf_drain() {
  hf_i=0 hf_y=0
  while [ "$hf_i" -lt ${DRAIN_SECONDS * 10} ]; do
    if [ "$hf_i" -ge ${STDOUT_SECONDS * 10} ]; then
      hf_done out "$hf_o" || hf_kill out
      hf_done vol "$hf_v" && return 0
    elif hf_done vol "$hf_v" && hf_done out "$hf_o"; then return 0
    fi
    hf_pause
  done
  hf_kill vol
}
hf_verdict() {
  hf_e=
  if [ ! -e "$hf_d/vol.ok" ]; then
    hf_r='not confirmed in time'
    [ -e "$hf_d/vol.quit" ] || hf_r='the copier died'
    [ ! -e "$hf_d/vol.why" ] || read -r hf_r <"$hf_d/vol.why"
    hf_e=",\"volume_error\":\"$hf_r\""
  fi
  [ ! -e "$hf_d/truncated" ] || hf_e="$hf_e,\"truncated\":true"
}`

/** The record on the volume: in place, synced, and then renamed, so that its name never shows half of one. */
const record = String.raw`
hf_record() {
  hf_x=rec
  exec 3<"$hf_d/record" 4<>"$hf_tmp"
  hf_run dd bs=${RECORD_BYTES} count=1 conv=notrunc,fsync && hf_run mv -f "$hf_tmp" "$hf_rec"
  true >"$hf_d/rec.done"
}
hf_keep_record() {
  hf_record </dev/null >/dev/null &
  printf '%-9s\n' "$!" 1<>"$hf_d/rec.c"
  hf_i=0
  while [ ! -e "$hf_d/rec.done" ] && kill -0 "$!"; do
    [ "$hf_i" -lt ${RECORD_SECONDS * 10} ] || { hf_kill rec; return; }
    hf_pause
  done
}
hf_finish() {
  if ! hf_measure; then
    hf_kill vol
    hf_kill out
    return
  fi
  hf_say ''
  hf_drain
  hf_verdict
  [ -z "$hf_e" ] || hf_say "$hf_e"
  hf_keep_record
}`

/** The functions of the end. They expect what the copiers expect, and `hf_s hf_o hf_v hf_term hf_tmp hf_rec` and its pace. */
export const ending = [measure, say, drain, record].join("")

/**
 * What process 1 sets to pace itself, where `sleep` knows fractions of a second and where it does not: `hf_one` and
 * `hf_five` are tenths in a short and in a long pause, `hf_per` is looks per second of an agent's grace.
 */
export const pace = `if sleep 0.01; then hf_look=0.1 hf_fast=0.2 hf_slow=0.5 hf_one=1 hf_five=5 hf_per=5
else hf_look=1 hf_fast=1 hf_slow=1 hf_one=10 hf_five=10 hf_per=1
fi 2>/dev/null`
