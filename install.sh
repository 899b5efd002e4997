#!/bin/sh
# Installs Holdfast, upgrades it, or says whether there is a newer version. Design: llp/0013-versions.spec.md
#
#   install.sh [--check] [--prefix DIR] [--version-url URL] [--source GIT_URL]
#
# Everything is in functions, and the last line calls the first: a download that was cut short does nothing.
#
# shellcheck disable=SC2016 # the $ in what is printed for a person to run is meant for that person's shell
set -u
LC_ALL=C
export LC_ALL
unset CDPATH GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_NAMESPACE

readonly BYTES_MAX=65536
readonly VERSION_MAX=64

usage() {
  cat << 'USAGE'
Installs Holdfast, upgrades it, or says whether there is a newer version.

  sh install.sh [--check] [--prefix DIR] [--version-url URL] [--source GIT_URL]

  --check            only say what is installed and what is offered
  --version-url URL  the VERSION file that says what is offered; else HOLDFAST_VERSION_URL
  --source GIT_URL   where Holdfast is cloned from; else HOLDFAST_SOURCE, else where the last version came from
  --prefix DIR       where versions are kept; else HOLDFAST_PREFIX, else ~/.local/share/holdfast

Needs git, npm and Node.js, and curl or GNU wget. Changes nothing under HOLDFAST_HOME, restarts no daemon, edits no shell
profile, and wants no root. Exit codes: 0 done, 1 could not be done (what was there works on), 2 wrong command line.
USAGE
}

main() {
  check=no
  prefix=${HOLDFAST_PREFIX:-}
  version_url=${HOLDFAST_VERSION_URL:-}
  source_url=${HOLDFAST_SOURCE:-}
  while [ $# -gt 0 ]; do
    case $1 in
      --check) check=yes ;;
      --prefix | --version-url | --source)
        if [ -z "${2:-}" ]; then wrong_usage "$1 needs a value"; fi
        case $1 in
          --prefix) prefix=$2 ;;
          --version-url) version_url=$2 ;;
          --source) source_url=$2 ;;
        esac
        shift
        ;;
      --help | -h) usage && exit 0 ;;
      *) wrong_usage "this is no option: $(printable "$1")" ;;
    esac
    shift
  done
  check_settings
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-install.XXXXXX") || die "no temporary folder can be made"
  lock_held=no
  partial=
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  offered=
  fetch_version
  installed=
  find_installed
  if [ "$check" = yes ]; then
    say_verdict
    exit 0
  fi
  mkdir -p "$prefix/versions" || die "$prefix cannot be written. Choose another: --prefix DIR"
  take_lock
  # Once more, under the lock: another install may have ended meanwhile.
  find_installed
  remove_leftovers
  if [ -n "$installed" ] && ! is_newer "$offered" "$installed"; then
    say_verdict
    link_program
    exit 0
  fi
  install_offered
}

# --- words -----------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }

die() {
  note "install.sh: $*"
  exit 1
}

wrong_usage() {
  note "install.sh: $*"
  note "Usage: sh install.sh [--check] [--prefix DIR] [--version-url URL] [--source GIT_URL]; more with --help"
  exit 2
}

printable() { printf '%s' "$1" | tr -c '[:print:]' '?' | head -c 200; }

# One word of a shell, whatever it holds.
quote() {
  case $1 in
    *[!A-Za-z0-9_./:@%+=-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
  esac
}

say_verdict() {
  if [ -z "$installed" ]; then
    say "Not installed; $offered is offered"
  elif [ "$installed" = "$offered" ]; then
    say "Already up to date ($installed)"
  elif is_newer "$offered" "$installed"; then
    say "Upgrade available: $installed → $offered"
  else
    say "This is newer than what the source offers: $installed, $offered"
  fi
}

# --- settings --------------------------------------------------------------------------------------------------------

check_settings() {
  if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || die "HOME is not set. Say where to install: --prefix DIR"
    prefix=$HOME/.local/share/holdfast
    bin=$HOME/.local/bin
  else
    case $prefix in
      /*) ;;
      *) prefix=$(pwd)/$prefix ;;
    esac
    prefix=${prefix%/}
    [ -n "$prefix" ] || die "the prefix cannot be /. Choose a folder of its own: --prefix DIR"
    bin=$prefix/bin
    # Said in words or not, the usual place has the usual link.
    [ "$prefix" != "${HOME:-}/.local/share/holdfast" ] || bin=$HOME/.local/bin
  fi
  case $version_url in
    '') die "where is the VERSION file that says what is offered? --version-url URL, or HOLDFAST_VERSION_URL" ;;
    *[![:graph:]]*) die "the version URL holds a space or an invisible character" ;;
    http://?* | https://?*) ;;
    *) die "the version URL must begin with http:// or https://" ;;
  esac
  authority=${version_url#*://}
  case ${authority%%[/?#]*} in
    *@*) die "the version URL must not hold a user name or a password" ;;
  esac
  case $source_url in
    -* | *[![:print:]]*) die "the source is no git URL: $(printable "$source_url")" ;;
  esac
}

# --- the one request -------------------------------------------------------------------------------------------------

# Sets `offered` to a version that may be compared and printed. What was sent is counted and looked at as a file first;
# no byte of it is in a variable before it is known to consist of a version's characters.
fetch_version() {
  body=$scratch/body
  if command -v curl > /dev/null; then
    # No ~/.curlrc, which might retry; no globs, which would ask several times; never from https to http.
    case $version_url in
      https:*) redirects='=https' ;;
      *) redirects='=http,https' ;;
    esac
    {
      curl -q --silent --show-error --fail --globoff --location --max-redirs 20 --proto '=http,https' \
        --proto-redir "$redirects" --max-time 5 --url "$version_url" 2> "$scratch/errors"
      echo $? > "$scratch/code"
    } < /dev/null | head -c $((BYTES_MAX + 1)) > "$body"
  elif wget --version 2> /dev/null | grep -q '^GNU Wget' && command -v timeout > /dev/null; then
    # Wget cannot be told to stay with https, so it follows nothing.
    {
      timeout 5 wget --no-config --quiet --output-document=- --tries=1 --max-redirect=0 --timeout=5 "$version_url" \
        2> "$scratch/errors"
      echo $? > "$scratch/code"
    } < /dev/null | head -c $((BYTES_MAX + 1)) > "$body"
  else
    die "this needs curl, or GNU wget and timeout. Install curl"
  fi
  read -r code < "$scratch/code" || code=1
  size=$(wc -c < "$body" | tr -d ' ')
  shown=${version_url%%[?#]*}
  [ "$size" -le $BYTES_MAX ] || refuse_version "more than $((BYTES_MAX / 1024)) KiB"
  if [ "$code" != 0 ]; then
    # wget --quiet explains nothing.
    why=$(head -n 1 "$scratch/errors" | tr -c '[:print:]' ' ' | head -c 200)
    case $code in
      28 | 124) why="no answer within 5 s" ;;
    esac
    die "no version could be learned from $shown: ${why:-the request failed, or was redirected (code $code)}." \
      "Check the URL and the network; nothing was changed"
  fi
  if [ "$(tr -d ' \t\r\n' < "$body" | wc -c)" -eq 0 ]; then refuse_version "nothing"; fi
  if [ "$(tr -d '0-9A-Za-z. \t\r\n-' < "$body" | wc -c)" -ne 0 ]; then
    case $(tr -d ' \t\r\n' < "$body" | head -c 1 | tr -d '\0') in
      '<') refuse_version "$size bytes that look like a web page" ;;
      *) refuse_version "$size bytes with characters that no version has" ;;
    esac
  fi
  text=$(trim < "$body")
  [ "$(printf '%s' "$text" | wc -l)" -eq 0 ] || refuse_version "$size bytes in more than one line"
  is_version "$text" || refuse_version "$size bytes that do not look like 1.2.3 or 1.2.3-rc.1"
  offered=$text
}

refuse_version() {
  die "$shown is no VERSION file: it answered with $1. Check the URL; nothing was changed"
}

# Without spaces and line ends around it: one line stays one line, two stay two.
trim() {
  value=$(cat)
  while :; do
    case $value in
      [[:space:]]*) value=${value#?} ;;
      *[[:space:]]) value=${value%?} ;;
      *) break ;;
    esac
  done
  printf '%s' "$value"
}

# --- versions --------------------------------------------------------------------------------------------------------

# ^\d+(\.\d+){2}(-[0-9A-Za-z.-]+)?$ and semver's own rules, as `holdfast upgrade` has them: no leading zeros, no empty
# identifiers, at most 64 characters, numbers of at most 15 digits.
is_version() {
  [ ${#1} -le $VERSION_MAX ] || return 1
  case $1 in
    *[!0-9A-Za-z.-]* | '') return 1 ;;
  esac
  core=${1%%-*}
  case $core in
    *.*.*.*) return 1 ;;
    *.*.*) ;;
    *) return 1 ;;
  esac
  is_number "${core%%.*}" && core=${core#*.} && is_number "${core%%.*}" && is_number "${core#*.}" || return 1
  case $1 in
    *-*) ;;
    *) return 0 ;;
  esac
  rest=${1#*-}.
  while [ -n "$rest" ]; do
    part=${rest%%.*}
    rest=${rest#*.}
    case $part in
      '') return 1 ;;
      *[!0-9]*) ;;
      *) is_number "$part" || return 1 ;;
    esac
  done
}

is_number() {
  case $1 in
    '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;;
  esac
}

# Whether $1 is newer than $2, both versions: numbers as numbers, a pre-release before its release.
is_newer() {
  a_core=${1%%-*}. b_core=${2%%-*}.
  while [ -n "$a_core" ]; do
    if [ "${a_core%%.*}" -gt "${b_core%%.*}" ]; then return 0; fi
    if [ "${a_core%%.*}" -lt "${b_core%%.*}" ]; then return 1; fi
    a_core=${a_core#*.} b_core=${b_core#*.}
  done
  a_rest='' b_rest=''
  case $1 in *-*) a_rest=${1#*-}. ;; esac
  case $2 in *-*) b_rest=${2#*-}. ;; esac
  [ -n "$b_rest" ] || return 1
  [ -n "$a_rest" ] || return 0
  while [ -n "$a_rest" ] && [ -n "$b_rest" ]; do
    a_part=${a_rest%%.*} b_part=${b_rest%%.*}
    a_rest=${a_rest#*.} b_rest=${b_rest#*.}
    [ "$a_part" != "$b_part" ] || continue
    case $a_part in *[!0-9]*) a_is=word ;; *) a_is=number ;; esac
    case $b_part in *[!0-9]*) b_is=word ;; *) b_is=number ;; esac
    case $a_is$b_is in
      numbernumber)
        [ "$a_part" -gt "$b_part" ]
        return
        ;;
      wordnumber) return 0 ;;
      numberword) return 1 ;;
      # The letter keeps expr from reading a word as one of its own.
      *)
        expr "x$a_part" \> "x$b_part" > /dev/null
        return
        ;;
    esac
  done
  [ -n "$a_rest" ]
}

# The version in the VERSION file of a folder; nothing when it has none that is one.
version_in() {
  [ -f "$1/VERSION" ] && [ "$(head -c $((BYTES_MAX + 1)) "$1/VERSION" | tr -d '0-9A-Za-z. \t\r\n-' | wc -c)" -eq 0 ] || return 0
  own=$(head -c $((BYTES_MAX + 1)) "$1/VERSION" | trim)
  if is_version "$own"; then printf '%s' "$own"; fi
}

# --- what is there ---------------------------------------------------------------------------------------------------

find_installed() {
  installed=
  [ ! -L "$prefix/current" ] || installed=$(version_in "$prefix/current")
}

# A symbolic link is made in one step with its content, so the lock of a killed install always names its process.
take_lock() {
  lock=$prefix/.installing
  while ! ln -s $$ "$lock" 2> /dev/null; do
    holder=$(readlink "$lock") || {
      [ -w "$prefix" ] || die "$prefix cannot be written. Choose another: --prefix DIR"
      continue
    }
    if kill -0 "$holder" 2> /dev/null; then
      die "another install runs (process $holder). Wait for it, or end it; if it is something else: rm $(quote "$lock")"
    fi
    mv "$lock" "$scratch/lock" 2> /dev/null || continue
    # Somebody else may have replaced the dead one's lock just before: then it is that one's.
    if [ "$(readlink "$scratch/lock")" != "$holder" ]; then
      ln -s "$(readlink "$scratch/lock")" "$lock"
      die "another install runs. Wait for it"
    fi
    rm -f "$scratch/lock"
  done
  lock_held=yes
}

# Of installs that were killed. Nothing runs from such a folder.
remove_leftovers() {
  rm -rf "$prefix/versions"/*.partial "$prefix"/.current.*
}

clean_up() {
  code=$?
  trap '' HUP INT TERM
  [ -z "$partial" ] || rm -rf "$partial"
  if [ "$lock_held" = yes ]; then rm -f "$lock"; fi
  rm -rf "$scratch"
  exit $code
}

# --- installing ------------------------------------------------------------------------------------------------------

install_offered() {
  target=$prefix/versions/$offered
  if [ -e "$prefix/current" ] && [ ! -L "$prefix/current" ]; then
    die "$prefix/current is not a link that this made. Choose another folder: --prefix DIR"
  fi
  for tool in git node npm; do
    command -v $tool > /dev/null || die "this needs $tool, which is not on the PATH. Install it, then run this again"
  done
  if works "$target"; then
    note "Holdfast $offered is built already."
  else
    build
  fi
  # The link first: from the flip on, everything is there.
  link_program
  flip
  if [ -n "$installed" ]; then
    say "Upgraded: $installed → $offered"
    say "To go back: ln -sfn $(quote "versions/$installed") $(quote "$prefix/current")"
    say "Next, if a daemon runs: holdfast daemon restart"
    say "  It runs $installed until then. It ends with exit code 75, and whatever supervises it starts $offered; without a"
    say "  supervisor, stop it and start it again: holdfast daemon"
  else
    say "Installed: $offered in $target"
    say "Next: holdfast join URL --token-file FILE, then holdfast daemon; or to look at it: holdfast up"
  fi
}

# Clones, builds and tries $offered beside everything else, and gives it its name once it works.
build() {
  find_source
  partial=$target.partial
  log=$scratch/log
  rm -rf "$partial"
  note "Getting Holdfast $offered from $(printable "$(without_secrets "$source_url")")"
  # A prompt would wait for ever where nobody is.
  [ -t 0 ] || export GIT_TERMINAL_PROMPT=0
  quietly git ls-remote --exit-code --tags -- "$source_url" "refs/tags/v$offered"
  case $? in
    0) step "clone the tag v$offered" git clone --quiet --depth 1 --branch "v$offered" -- "$source_url" "$partial" ;;
    2) step "clone the default branch" git clone --quiet --depth 1 -- "$source_url" "$partial" ;;
    *) explain "ask the source for the tag v$offered" ;;
  esac
  cloned=$(version_in "$partial")
  [ "$cloned" = "$offered" ] ||
    die "the source has no $offered: there is ${cloned:-no version} at the tag v$offered or on its default branch." \
      "The VERSION file at the URL and the source do not belong together; nothing was changed"
  note "Installing what it is built with (npm install), which takes a minute or two"
  step "install its packages" in_partial npm install --include=dev
  note "Building it (npm run build)"
  step "build it" in_partial npm run build
  pack
  works "$partial" || die "what was built does not run, or is not $offered; nothing was changed." \
    "Check that Node.js is 22.19 or newer: node --version"
  # What lies there did not work.
  [ ! -e "$target" ] || mv "$target" "$target.broken.partial"
  mv "$partial" "$target" || die "$target cannot be written; nothing was changed"
  partial=
  # The power may fail: what is flipped to is on the disk.
  sync
}

# What was built becomes what `npm pack` makes of it, with the packages that it runs on and without those it was made with.
pack() {
  step "pack it" in_partial npm pack --ignore-scripts --pack-destination "$scratch"
  step "unpack it" tar -xzf "$(ls "$scratch"/*.tgz)" -C "$scratch"
  for name in package-lock.json .npmrc; do
    [ ! -f "$partial/$name" ] || cp "$partial/$name" "$scratch/package/$name" || die "$scratch cannot be written"
  done
  rm -rf "$partial"
  mv "$scratch/package" "$partial" || die "$partial cannot be written; nothing was changed"
  note "Installing what it runs on (npm install --omit=dev)"
  step "install what it runs on" in_partial npm install --omit=dev
  # A URL may hold a password.
  if ! (umask 077 && printf '%s\n' "$source_url" > "$partial/.source"); then
    die "$partial cannot be written; nothing was changed"
  fi
}

find_source() {
  if [ -z "$source_url" ]; then
    source_url=$(cat "$prefix/current/.source" 2> /dev/null) || source_url=
  fi
  if [ -z "$source_url" ]; then
    source_url=$(git -C "$prefix/current" config --get remote.origin.url 2> /dev/null) || source_url=
  fi
  [ -n "$source_url" ] || die "where is Holdfast cloned from? --source GIT_URL, or HOLDFAST_SOURCE"
}

# A URL may hold a password.
without_secrets() { printf '%s' "$1" | sed 's|://[^/@]*@|://|g'; }

in_partial() { (cd "$partial" && exec "$@"); }

# Output is for when it fails; standard input may be this script.
quietly() { "$@" < /dev/null > "$log" 2>&1; }

step() {
  what=$1
  shift
  quietly "$@" || explain "$what"
}

explain() {
  without_secrets "$(tail -n 20 "$log" | tr -cd '[:print:]\n')" >&2
  note ""
  die "could not $1: see above. Nothing was changed${installed:+, and $installed works on}"
}

# Whether the program in a folder says that it is $offered: by its entry, and through the whole command line.
works() {
  [ -f "$1/dist/main.js" ] &&
    [ "$(node "$1/dist/main.js" --version < /dev/null 2> /dev/null)" = "$offered" ] &&
    [ "$(node "$1/dist/main.js" status --version < /dev/null 2> /dev/null)" = "$offered" ]
}

# A new link takes the old one's name in one step; `ln -sfn` would remove the old one first, and mv -T is not everywhere.
flip() {
  new=$prefix/.current.$$
  if ! ln -s "versions/$offered" "$new" ||
    ! node -e 'require("node:fs").renameSync(process.argv[1], process.argv[2])' "$new" "$prefix/current"; then
    die "$prefix/current cannot be changed; what was there works on"
  fi
}

# The program on the PATH. A file of somebody else's stays.
link_program() {
  program=$bin/holdfast
  wanted=$prefix/current/dist/main.js
  if [ -L "$program" ] && [ "$(readlink "$program")" = "$wanted" ]; then
    :
  elif [ -e "$program" ] || [ -L "$program" ]; then
    note "$program is something else, and stays. The program is $wanted"
    return 0
  else
    if ! mkdir -p "$bin" || ! ln -s "$wanted" "$program"; then
      die "$program cannot be made. The program would be $wanted"
    fi
  fi
  case :${PATH:-}: in
    *:"$bin":*) ;;
    *) note "$bin is not on the PATH. Add this line to your shell's profile: export PATH=$(quote "$bin"):\"\$PATH\"" ;;
  esac
}

main "$@"
