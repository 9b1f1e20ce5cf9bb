#!/bin/sh
# Installs bgo with its shell completions and manual pages, or removes them. `./install.sh --help` lists the options.
#
# Two promises shape the code. Nothing is replaced before everything is known to work: the new files are written
# under temporary names beside their destinations, the new binary is run once, and only then are they renamed,
# the binary last. And a rename leaves the old inode to the sidecars executing it, so that an upgrade disturbs no
# running process and never meets "text file busy".
#
# POSIX sh and the usual tools only; messages are printed without control characters.

set -eu

usage() {
  cat <<'HELP'
Usage: ./install.sh [--local | --prefix DIR] [OPTIONS]

Builds bgo with cargo and installs it with completions for bash, zsh and fish, and manual pages.

Where:
  (default)          for everyone, in /usr/local; needs write access there, as with sudo
  --local            for you alone, in ~/.local; needs no root
  --prefix DIR       in DIR/bin and DIR/share

Options:
  --no-completions   the binary only
  --autostart        have `bgo resurrect` run when you log in or the machine comes up; --no-autostart: do not ask
  --force            replace (kept as bgo.old) or remove a bgo that is not ours
  --uninstall        remove what was installed; give the same --local or --prefix
  -h, --help         print this text

Environment:
  BGO_BINARY=PATH    install this file instead of building
  CARGO_TARGET_DIR   where cargo builds
HELP
}

# ---- messages --------------------------------------------------------------------------------------------------

printable() { LC_ALL=C tr -d '\000-\010\013-\037\177'; }

say() { printf '%s\n' "$1" | printable; }

warn() { printf 'warning: %s\n' "$1" | printable >&2; }

# fail MESSAGE [HINT]...
fail() {
  printf 'install.sh: %s\n' "$1" | printable >&2
  shift
  for hint; do printf 'hint: %s\n' "$hint" | printable >&2; done
  exit 1
}

usage_error() {
  printf 'install.sh: %s\nhint: %s --help\n' "$1" "$(quoted "$me")" | printable >&2
  exit 2
}

# The argument as a shell would have to be given it.
quoted() {
  case $1 in
    '' | *[!A-Za-z0-9_./+@%:,=-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
  esac
}

absolute() {
  case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$PWD/$1" ;;
  esac
}

# ---- what was asked --------------------------------------------------------------------------------------------

parse_options() {
  place=system prefix=/usr/local force=no uninstall=no completions=yes autostart=ask
  while [ $# -gt 0 ]; do
    case $1 in
      --local) choose_place "local" ;;
      --prefix)
        [ $# -ge 2 ] || usage_error "--prefix needs a folder"
        choose_place prefix "$2"
        shift
        ;;
      --prefix=*) choose_place prefix "${1#--prefix=}" ;;
      --no-completions) completions=no ;;
      --autostart) autostart=yes ;;
      --no-autostart) autostart=no ;;
      --force) force=yes ;;
      --uninstall) uninstall=yes ;;
      -h | --help)
        usage
        exit 0
        ;;
      -*) usage_error "unknown option $(quoted "$1")" ;;
      *) usage_error "unexpected argument $(quoted "$1")" ;;
    esac
    shift
  done
  [ "$autostart$uninstall" != yesyes ] || usage_error "--autostart and --uninstall exclude each other"
  if [ "$autostart" = yes ] && [ -n "${SUDO_USER:-}" ]; then
    usage_error "--autostart under sudo would be root's; leave it out, then type as yourself: bgo autostart install"
  fi
}

choose_place() {
  [ "$place" = system ] || [ "$place" = "$1" ] || usage_error "--local and --prefix exclude each other"
  place=$1
  [ "$place" = prefix ] || return 0
  case $2 in
    '' | -*) usage_error "--prefix needs a folder" ;;
    *) prefix=$(absolute "$2") ;;
  esac
  while [ "${prefix%/}" != "$prefix" ]; do prefix=${prefix%/}; done
}

# Sets the folders, and `items`: what there is to install, in the order in which it is put in place.
choose_folders() {
  if [ "$place" = local ]; then
    case ${HOME:-} in
      /*) prefix=${HOME%/}/.local ;;
      *) fail "--local needs HOME to be set" "$call --prefix DIR" ;;
    esac
    data=$prefix/share
    config=${HOME%/}/.config
    # As the XDG specification demands, a path that is not absolute is ignored.
    case ${XDG_DATA_HOME:-} in /*) data=${XDG_DATA_HOME%/} ;; esac
    case ${XDG_CONFIG_HOME:-} in /*) config=${XDG_CONFIG_HOME%/} ;; esac
    fish_folder=$config/fish/completions
  else
    data=$prefix/share
    fish_folder=$data/fish/vendor_completions.d
  fi
  items="bash zsh fish binary"
  [ "$completions" = yes ] || items="binary"
}

destination() {
  case $1 in
    binary) printf '%s\n' "$prefix/bin/bgo" ;;
    bash) printf '%s\n' "$data/bash-completion/completions/bgo" ;;
    zsh) printf '%s\n' "$data/zsh/site-functions/_bgo" ;;
    fish) printf '%s\n' "$fish_folder/bgo.fish" ;;
  esac
}

source_of() {
  case $1 in
    binary) printf '%s\n' "$binary" ;;
    bash) printf '%s\n' "$here/completions/bgo.bash" ;;
    zsh) printf '%s\n' "$here/completions/_bgo" ;;
    fish) printf '%s\n' "$here/completions/bgo.fish" ;;
  esac
}

staged() {
  target=$(destination "$1")
  printf '%s\n' "${target%/*}/.${target##*/}.new.$$"
}

# ---- what is there ---------------------------------------------------------------------------------------------

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# Prints the version line of the bgo at $1; fails when that is no bgo of ours. bgo-cli 0.2.0 takes `--version` for a
# command to run and would leave logs of that name in ~/.bgo, hence the homes in which nothing can be created.
version_of() {
  [ -f "$1" ] && [ -x "$1" ] || return 1
  answer=$(HOME=/dev/null BGO_HOME=/dev/null "$1" --version 2>/dev/null </dev/null) || return 1
  answer=$(printf '%s\n' "$answer" | sed -n '/^bgo ./{p;q;}')
  [ -n "$answer" ] || return 1
  printf '%s\n' "$answer"
}

same_content() { [ -f "$1" ] && [ -f "$2" ] && cmp -s "$1" "$2"; }

cannot_write() {
  case $place in
    local) fail "cannot write to $prefix: $1" "$call --prefix DIR" ;;
    *) fail "cannot write to $prefix: $1" "sudo $again" "$call --local" ;;
  esac
}

# Says no before anything is built or created.
require_writable() {
  folder=$1
  while ! exists "$folder"; do folder=$(dirname "$folder"); done
  [ -d "$folder" ] || cannot_write "$folder is not a folder"
  if [ ! -w "$folder" ] || [ ! -x "$folder" ]; then cannot_write "no permission to write in $folder"; fi
}

# ---- the binary ------------------------------------------------------------------------------------------------

find_binary() {
  built=$here/target/release/bgo
  case ${CARGO_TARGET_DIR:-} in
    '') ;;
    /*) built=$CARGO_TARGET_DIR/release/bgo ;;
    *) built=$here/$CARGO_TARGET_DIR/release/bgo ;;
  esac
  if [ -n "${BGO_BINARY:-}" ]; then
    binary=$(absolute "$BGO_BINARY")
    if [ ! -f "$binary" ] || [ ! -r "$binary" ]; then fail "cannot install $binary: not a readable file"; fi
  elif command -v cargo >/dev/null 2>&1; then
    build
  elif [ -f "$built" ]; then
    say "cargo not found, installing what was built before: $built"
    binary=$built
  elif [ -n "${SUDO_USER:-}" ]; then
    fail "cannot build bgo: cargo not found (sudo may hide it), and there is no $built" \
      "cargo build --release --locked (without sudo), then sudo $again" \
      "get cargo from https://rustup.rs"
  else
    fail "cannot build bgo: cargo not found, and there is no $built" "get cargo from https://rustup.rs, then $again"
  fi
}

# cargo runs in the checkout, for only there it finds .cargo/config.toml; and it is asked where the binary is,
# because a configured target triple moves it and would leave a stale file where we look.
build() {
  [ -f "$here/Cargo.toml" ] || fail "cannot build bgo: no Cargo.toml in $here" "run install.sh from a checkout of bgo"
  messages=$(
    CDPATH='' cd "$here" &&
      cargo build --release --locked --bin bgo --message-format json-render-diagnostics
  ) || fail "cannot build bgo: cargo failed" "BGO_BINARY=PATH $(quoted "$me") installs a binary that exists"
  binary=$(printf '%s\n' "$messages" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
  [ -f "$binary" ] || fail "cannot build bgo: cargo did not say where the binary is"
}

# ---- install ---------------------------------------------------------------------------------------------------

install_all() {
  for item in $items; do
    if [ "$item" != binary ]; then
      source=$(source_of "$item")
      if [ ! -f "$source" ] || [ ! -r "$source" ]; then
        fail "missing completion file: $source" "git checkout completions, or $again --no-completions"
      fi
    fi
    require_writable "$(dirname "$(destination "$item")")"
  done
  find_binary
  look_at_destinations
  stage_all
  put_in_place
  report
  install_manual
  offer_autostart
  say "try it: $command hello -- sleep 60; $command status"
}

# Sets `previous`: none, identical, or what the old binary calls itself, or foreign.
look_at_destinations() {
  for item in $items; do
    target=$(destination "$item")
    if [ -e "$target" ] && [ ! -f "$target" ]; then
      fail "cannot install $target: something that is not a file is in the way"
    fi
  done
  dest=$(destination binary)
  if ! exists "$dest"; then
    previous=none
  elif same_content "$binary" "$dest"; then
    previous=identical
  elif ! previous=$(version_of "$dest"); then
    previous=foreign
    [ "$force" = yes ] || fail "cannot install $dest: the file there is not this bgo (its --version does not say so)" \
      "$again --force replaces it and keeps it as $dest.old"
    if [ -e "$dest.old" ] && [ ! -f "$dest.old" ]; then fail "cannot keep the old file: $dest.old is not a file"; fi
  fi
}

# Writes what differs beside its destination, and proves that the binary runs there. Sets `changed` and `version`.
stage_all() {
  changed=""
  trap remove_staged EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # What root installs is for everyone, whatever root's umask is.
  [ "$place" = local ] || umask 022
  for item in $items; do
    mode=644
    [ "$item" != binary ] || mode=755
    target=$(destination "$item")
    source=$(source_of "$item")
    if same_content "$source" "$target" && { [ "$item" != binary ] || [ -x "$target" ]; }; then continue; fi
    changed="$changed $item"
    new=$(staged "$item")
    cause=$(mkdir -p "${new%/*}" 2>&1) || cannot_write "$cause"
    cause=$( (rm -f "$new" && cp "$source" "$new" && chmod "$mode" "$new") 2>&1) || cannot_write "$cause"
  done
  case $changed in
    *binary*)
      version=$(version_of "$(staged binary)") ||
        fail "cannot install $binary: it does not run as bgo in ${dest%/*}"
      ;;
    *) version=$(version_of "$dest") || fail "cannot run $dest --version" ;;
  esac
}

remove_staged() {
  for item in $items; do rm -f "$(staged "$item")" 2>/dev/null || :; done
  rm -f "$(staged binary).old" 2>/dev/null || :
}

put_in_place() {
  trap '' HUP INT TERM
  if [ "$previous" = foreign ]; then
    # A copy, not a rename: there is no moment without a bgo. A symbolic link is kept as a link.
    old=$(staged binary).old
    cause=$( (rm -f "$old" && cp -R -P -p "$dest" "$old" && mv -f "$old" "$dest.old") 2>&1) || cannot_write "$cause"
  fi
  for item in $changed; do
    cause=$(mv -f "$(staged "$item")" "$(destination "$item")" 2>&1) || cannot_write "$cause"
  done
  trap - HUP INT TERM
  # The rename is done, so this only fails when somebody else replaced the file meanwhile.
  version=$(version_of "$dest") || fail "$dest was installed, but does not run"
}

report() {
  for item in $changed; do
    case $item:$previous in
      binary:none | binary:identical) say "installed $dest ($version)" ;;
      binary:foreign) say "installed $dest ($version); the old file is kept as $dest.old" ;;
      binary:*) say "installed $dest ($version, was $previous)" ;;
      *) say "installed $(destination "$item")" ;;
    esac
  done
  [ -n "$changed" ] || say "already up to date: $dest ($version)"
  look_at_path
  case $place:${SHELL:-} in
    system:*) ;;
    *:*/zsh)
      [ "$completions" = no ] ||
        say "zsh: before compinit in ~/.zshrc, add: fpath=($(quoted "$data/zsh/site-functions") \$fpath)"
      ;;
  esac
  command=bgo
  [ "$path_reaches_it" = yes ] || command=$(quoted "$dest")
}

# The pages come from the binary itself. That they cannot be written is no reason to be without it.
install_manual() {
  [ "$completions" = yes ] || return 0
  cause=$("$dest" man "$data/man/man1" 2>&1 </dev/null) || warn "no manual pages in $data/man/man1: $cause"
}

# Asks only on a terminal, and only who installs for himself: autostart belongs to a user, not to a machine. Nothing is
# said where bgo is run at login already.
offer_autostart() {
  if [ "$autostart" != yes ] && "$dest" autostart status >/dev/null 2>&1 </dev/null; then return 0; fi
  if [ "$autostart" = ask ] && [ "$place" = local ] && [ -t 0 ] && [ -t 1 ]; then
    printf 'Bring processes back when you log in or the machine comes up? [y/N] '
    autostart=no
    if read -r answer; then
      case $answer in [Yy] | [Yy][Ee][Ss]) autostart=yes ;; esac
    fi
  fi
  if [ "$autostart" = yes ]; then
    "$dest" autostart install </dev/null || warn "bgo is installed; autostart is not: $command autostart install"
  else
    say "to bring processes back at login: $command autostart install"
  fi
}

real_folder() { (CDPATH='' cd -P "$1" 2>/dev/null && pwd -P); }

# Warns of another bgo that comes earlier on PATH, and when PATH does not lead to ours. Sets `path_reaches_it`.
look_at_path() {
  path_reaches_it=no shadow=""
  ours=$(real_folder "${dest%/*}")
  saved_ifs=$IFS
  IFS=:
  set -f
  for folder in ${PATH:-}; do
    if [ "$(real_folder "${folder:-.}")" = "$ours" ]; then
      path_reaches_it=yes
      break
    fi
    candidate=${folder:-.}/bgo
    if [ -n "$shadow" ] || [ ! -f "$candidate" ] || [ ! -x "$candidate" ]; then continue; fi
    same_content "$candidate" "$dest" || shadow=$candidate
  done
  set +f
  IFS=$saved_ifs
  [ -z "$shadow" ] || warn "another bgo comes earlier on PATH: $shadow"
  [ "$path_reaches_it" = yes ] || explain_path
  [ -z "$shadow" ] || path_reaches_it=no
}

explain_path() {
  line="export PATH=$(quoted "${dest%/*}"):\$PATH"
  case ${SHELL:-} in
    */fish) file=.config/fish/config.fish line="fish_add_path $(quoted "${dest%/*}")" ;;
    */zsh) file=.zshrc ;;
    */bash) file=.bashrc ;;
    *) file=.profile ;;
  esac
  warn "${dest%/*} is not on PATH; add this line to ~/$file and open a new shell: $line"
}

# ---- uninstall -------------------------------------------------------------------------------------------------

is_our_page() { [ -f "$1" ] && [ -n "$(sed -n '3{/"bgo manual"$/p;q;}' "$1")" ]; }

remove_manual() {
  for page in "$data/man/man1/bgo.1" "$data/man/man1"/bgo-*.1; do
    is_our_page "$page" || continue
    require_writable "${page%/*}"
    cause=$(rm -f "$page" 2>&1) || cannot_write "$cause"
    removed=yes
  done
}

# While there is still a bgo that knows what it has put where. What is not installed is nothing to speak of. With a
# prefix only if this binary is the one that is run: another user's bgo is not ours to remove. Of what somebody has edited
# nobody can tell which it runs.
remove_autostart() {
  [ "$place" != system ] && version_of "$dest" >/dev/null || return 0
  if [ "$place" = prefix ] && ! said=$("$dest" autostart status 2>/dev/null </dev/null); then
    edited=$(printf '%s\n' "$said" | sed -n 's/^[a-z]* *edited[^:]*: //p' | tr '\n' ' ')
    [ -z "$edited" ] || say "left alone: what has bgo run at login was edited; remove it by hand if it runs this one: ${edited% }"
    return 0
  fi
  "$dest" autostart uninstall </dev/null || {
    warn "what 'bgo autostart install' has put in place is still there, and the bgo that it runs will not be"
    warn "remove it by hand: crontab -e, or rm the file that is named above"
  }
}

uninstall_all() {
  removed=no foreign=no
  dest=$(destination binary)
  if exists "$dest" && [ "$force" = no ] && ! version_of "$dest" >/dev/null; then
    foreign=yes
    warn "left alone: $dest is not this bgo; $again --force removes it"
  fi
  remove_autostart
  remove_manual
  for item in $items; do
    target=$(destination "$item")
    exists "$target" || continue
    if [ "$foreign" = yes ]; then
      # The completions of a foreign bgo are its own, unless they are certainly ours.
      if [ "$item" = binary ]; then continue; fi
      same_content "$(source_of "$item")" "$target" || continue
    fi
    require_writable "$(dirname "$target")"
    cause=$(rm -f "$target" 2>&1) || cannot_write "$cause"
    say "removed $target"
    removed=yes
  done
  if [ "$removed" = no ]; then
    say "nothing to uninstall in $prefix"
    elsewhere=$(command -v bgo 2>/dev/null) || elsewhere=$dest
    [ "$elsewhere" = "$dest" ] || say "there is another bgo on PATH: $elsewhere"
    return 0
  fi
  if exists "$dest.old"; then say "still there: $dest.old, kept by an earlier --force"; fi
  say "left alone: ~/.bgo (records and logs), and the processes that run"
  say "to end the processes: install again and type 'bgo stop --all'"
  say "to remove the records and logs after that: rm -r ~/.bgo"
}

# ---- main ------------------------------------------------------------------------------------------------------

# The path of this script as it can be typed: `sh install.sh` has no slash in it.
case $0 in
  */*) me=$0 ;;
  *) me=./$0 ;;
esac

script=$me
while [ -L "$script" ]; do
  link=$(readlink "$script")
  case $link in
    /*) script=$link ;;
    *) script=$(dirname "$script")/$link ;;
  esac
done
here=$(CDPATH='' cd -P "$(dirname "$script")" && pwd -P)

# For hints: how to call this script, and the same call again.
call=$(quoted "$me")
[ -z "${BGO_BINARY:-}" ] || call="BGO_BINARY=$(quoted "$BGO_BINARY") $call"
again=$call
for argument; do again="$again $(quoted "$argument")"; done

parse_options "$@"
[ "$uninstall" = no ] || call="$call --uninstall"
choose_folders
if [ "$uninstall" = yes ]; then
  uninstall_all
else
  install_all
fi
