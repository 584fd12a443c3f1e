# shellcheck shell=bash
# What the scripts share; sourced by bash. Sets root and leaves the caller there.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 3
name=${0##*/}

say() {
    printf '%s: %s\n' "$name" "$*"
}

fail() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit 3
}

# Root's work: as it is, or by sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root or sudo: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs what is missing of these sections of scripts/packages.txt, and
# nothing else; silent and offline when nothing is.
need_packages() {
    local section package missing=()
    for section in "$@"; do
        while read -r package; do
            is_installed "$package" || missing+=("$package")
        done < <(awk -v section="$section" '$1 == section { print $2 }' scripts/packages.txt)
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "not a Debian system; please install: ${missing[*]}"
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || fail "apt-get update failed"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >"${TMPDIR:-/tmp}/mailtap-apt.$$" 2>&1 ||
        { tail -n 20 "${TMPDIR:-/tmp}/mailtap-apt.$$" >&2; fail "apt-get install failed"; }
    rm -f "${TMPDIR:-/tmp}/mailtap-apt.$$"
}

# need_configured FOLDER [CC=...] OPTION...: sets a build folder up once, and
# again when the options have changed.
need_configured() {
    local folder=$1 compiler=gcc
    shift
    case ${1:-} in CC=*)
        compiler=${1#CC=}
        shift
        ;;
    esac
    local wanted="$compiler $*"
    local stamp=$folder/mailtap-options
    if [ -e "$folder/meson-private/coredata.dat" ] && [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$folder/meson-private" "$folder/meson-info" "$folder/build.ninja"
    fi
    [ ! -e "$folder/build.ninja" ] || return 0
    say "configuring $folder"
    CC=$compiler meson setup "$folder" "$@" >"$folder.log" 2>&1 || {
        tail -n 20 "$folder.log" >&2
        fail "meson setup $folder failed"
    }
    rm -f "$folder.log"
    printf '%s' "$wanted" >"$stamp"
}

# built FOLDER [TARGET...]: everything, or these targets; seconds when nothing
# is to be done.
built() {
    local folder=$1
    shift
    say "building $folder"
    ninja -C "$folder" "$@" >"$folder/ninja.log" 2>&1 || {
        grep -vE '^(\[|ninja: (Entering|no work))' "$folder/ninja.log" | head -n 40 >&2
        fail "building $folder failed"
    }
}
