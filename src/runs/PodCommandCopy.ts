/**
 * The part of the pod command that copies: plain POSIX sh as text, for dash, busybox ash and bash.
 *
 * Whatever may hang on the volume runs in a process of its own, whose id lies in a file on the scratch, so that process 1
 * can end it. `hf_x` names the files of one process: `.c` copier, `.d` its command, `.e` what that said, `.m` last look.
 *
 * @ref LLP 0016#copiers [implements]: positional writes, the stop flag before the copy, N fixed once
 */

/** Bytes per block of a copy. */
export const BLOCK = 65_536
/** Blocks per turn: 4 MiB. */
const BLOCKS_PER_TURN = 64
/** Turns without growth after which a copier looks less often: 5 s of them. */
const TURNS_UNTIL_IDLE = 25
/** Head and tail of stderr that are kept; with the line between them less than 1 MiB. */
const STDERR_WHOLE = 1_048_576
const STDERR_HEAD = 524_288
const STDERR_TAIL = 520_192
/** What a system's message says after its last colon. */
const LAST_WORDS = "${hf_r##*: }"

/** Commands that can be ended, and sizes of files without reading them: an orphan may write faster than `wc` reads. */
const tools = String.raw`
hf_run() {
  "$@" <&3 >&4 2<>"$hf_d/$hf_x.e" &
  printf '%-9s\n' "$!" 1<>"$hf_d/$hf_x.d"
  wait "$!"
  hf_c=$?
  printf '%-9s\n' '' 1<>"$hf_d/$hf_x.d"
  return "$hf_c"
}
hf_block() {
  hf_b=
  hf_run dd bs=${BLOCK} skip="$2" count=1 3<"$1" 4>"$hf_d/$hf_x.b" || return 1
  hf_b=$(wc -c <"$hf_d/$hf_x.b") || return 1
  hf_b=$((hf_b))
}
hf_has() {
  [ "$2" -gt 0 ] || return 0
  hf_block "$1" $((($2 - 1) / ${BLOCK})) && [ "$hf_b" -gt $((($2 - 1) % ${BLOCK})) ]
}
hf_size() {
  hf_l=-1 hf_h=0 hf_j=0
  while hf_block "$1" "$hf_j"; do
    case $hf_b in
    0) hf_h=$hf_j ;;
    ${BLOCK}) hf_l=$hf_j ;;
    *) hf_z=$((hf_j * ${BLOCK} + hf_b)); return 0 ;;
    esac
    if [ "$hf_h" -le "$hf_l" ]; then hf_j=$((hf_j * 8 + 1))
    elif [ $((hf_h - hf_l)) -gt 1 ]; then hf_j=$(((hf_h + hf_l) / 2))
    else hf_z=$((hf_h * ${BLOCK})); return 0
    fi
  done
  return 1
}
hf_why() {
  read -r hf_r <"$hf_d/$hf_x.e"
  hf_r=${LAST_WORDS}
  case $hf_r in '' | *[!A-Za-z0-9,/\ -]*) hf_r=failed ;; esac
  printf '%.80s\n' "$1: $hf_r" >"$hf_d/vol.why"
}`

/** One turn, and the rest once its end is known. */
const turns = String.raw`
hf_told() {
  [ ! -e "$hf_d/$1.quit" ] && kill -0 $$ || exit 0
  hf_n=
  [ ! -e "$hf_d/stop" ] || read -r hf_n <"$hf_d/stop" || hf_n=
}
hf_turn() {
  hf_i=$((hf_i + 1))
  [ "$hf_d/$hf_x.m" -nt "$hf_d/stdout" ] && [ $((hf_i % 10)) -ne 0 ] && return 0
  [ -z "$hf_q" ] || [ -s "$hf_log" ] || { hf_o= hf_i=0; return 0; }
  true >"$hf_d/$hf_x.m"
  hf_run dd bs=${BLOCK} count=${BLOCKS_PER_TURN} conv=notrunc || return 1
  read -r hf_r <"$hf_d/$hf_x.e"
  case $hf_r in 0+0\ *) hf_cut; return 0 ;; ${BLOCKS_PER_TURN}+0\ *) hf_i=-1 ;; *) hf_i=0 ;; esac
  hf_q=$hf_o
}
hf_nap() {
  if [ "$hf_i" -ge ${TURNS_UNTIL_IDLE} ]; then sleep "$hf_slow"
  elif [ "$hf_i" -ge 0 ]; then sleep "$hf_fast"
  fi
}
hf_upto() {
  while hf_m=$(($1 - hf_s)); [ "$hf_m" -gt 0 ]; do
    hf_w=${BLOCK} hf_k=$((hf_m / ${BLOCK}))
    if [ "$hf_k" -eq 0 ]; then hf_w=$hf_m hf_k=1
    elif [ "$hf_k" -gt ${BLOCKS_PER_TURN} ]; then hf_k=${BLOCKS_PER_TURN}
    fi
    hf_run dd bs="$hf_w" count="$hf_k" conv=notrunc || return 1
    read -r hf_r <"$hf_d/$hf_x.e"
    case $hf_r in "$hf_k+0 "*) hf_s=$((hf_s + hf_w * hf_k)) ;; *) return 1 ;; esac
  done
}
hf_seek() {
  [ $(($1 + $2)) -eq 0 ] && return 0
  hf_run dd bs=${BLOCK} skip=$(($1 / ${BLOCK})) seek=$(($2 / ${BLOCK})) count=0 conv=notrunc &&
    hf_run dd bs=1 skip=$(($1 % ${BLOCK})) seek=$(($2 % ${BLOCK})) count=0 conv=notrunc
}`

/** To the volume. `hf_o`: the descriptors stand where they should. `hf_q`: the log is not empty. `hf_s`: bytes of the scratch that are in the log. */
const volume = String.raw`
hf_cut() {
  hf_p=
  read -r hf_r hf_p </proc/self/fdinfo/3 || return 0
  [ -z "$hf_o" ] || hf_has "$hf_d/stdout" "$hf_p" || [ -z "$hf_b" ] || hf_o=
}
hf_open() {
  { command exec 3<"$hf_d/stdout" 4<>"$hf_log"; } 2<>"$hf_d/$hf_x.e" || { hf_why open; return 1; }
  hf_size "$hf_log" || { hf_why read; return 1; }
  hf_t=$hf_z hf_u=0
  [ ! -e "$hf_d/truncated" ] || read -r hf_u <"$hf_d/truncated"
  hf_s=$((hf_t - hf_u))
  if [ "$hf_s" -lt 0 ] || ! hf_has "$hf_d/stdout" "$hf_s"; then
    [ -n "$hf_b" ] || return 1
    hf_u=$hf_t hf_s=0
    printf '%s\n' "$hf_u" >"$hf_d/truncated"
  fi
  hf_seek "$hf_s" "$hf_t" || { hf_why seek; return 1; }
  hf_o=1 hf_q=
  [ "$hf_t" -eq 0 ] || hf_q=1
}
hf_rest() {
  [ -n "$hf_o" ] && [ -n "$hf_f" ] || { hf_f=1; hf_open || return 1; }
  hf_o=
  hf_upto "$hf_n" || { hf_why write; return 1; }
  hf_run dd if=/dev/null conv=notrunc,fsync || { hf_why fsync; hf_err; exit 0; }
  hf_has "$hf_log" $((hf_n + hf_u)) || return 1
  true >"$hf_d/vol.ok"
  hf_err
  exit 0
}
hf_err() {
  hf_size "$hf_d/stderr" && command exec 3<"$hf_d/stderr" 4<>"$hf_errlog" || return 0
  hf_s=0
  [ "$hf_z" -gt ${STDERR_WHOLE} ] || { hf_upto "$hf_z"; return 0; }
  hf_g=$((hf_z - ${STDERR_HEAD + STDERR_TAIL}))
  hf_upto ${STDERR_HEAD} && hf_run printf '\n[%s bytes of stderr are left out here]\n' "$hf_g" &&
    hf_seek "$hf_g" 0 && hf_s=0 && hf_upto ${STDERR_TAIL}
}
hf_vol() {
  hf_i=0 hf_o= hf_q= hf_f=
  while hf_told vol; do
    if [ -n "$hf_n" ]; then hf_rest
    elif [ -n "$hf_o" ] || hf_open; then hf_turn || { hf_why write; hf_o= hf_i=1; }
    fi
    hf_nap
  done
}`

/** To the container's stdout. Where it stands only the system knows: the descriptors outlive a copier that dies. */
const stdout = String.raw`
hf_out() {
  hf_i=0 hf_o= hf_q= hf_s=
  while hf_told out; do
    if [ -n "$hf_n" ]; then
      read -r hf_r hf_s </proc/self/fdinfo/3 && hf_upto "$hf_n"
      exit 0
    fi
    hf_turn || exit 1
    hf_nap
  done
}`

/** Starts a copier, and starts it again at most three times when it dies. */
const keeper = String.raw`
hf_keep() {
  trap '' TERM INT HUP
  LC_ALL=C
  export LC_ALL
  for hf_y in 1 2 3 4; do
    hf_x=$1$2$hf_y
    "hf_$1" </dev/null &
    printf '%-9s\n' "$!" 1<>"$hf_d/$hf_x.c"
    wait "$!" && break
    printf '%-9s\n' '' 1<>"$hf_d/$hf_x.c"
    [ ! -e "$hf_d/$1.quit" ] || break
  done
  true >"$hf_d/$1.done"
}`

/** The functions of the copiers. They expect `hf_d hf_log hf_errlog hf_fast hf_slow`. */
export const copiers = [tools, turns, volume, stdout, keeper].join("")
