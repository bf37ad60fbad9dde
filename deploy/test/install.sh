#!/usr/bin/env bash
# Installs the Debian packages that building (`build`) and testing (`test`) need and that are
# missing here. Says what it does; without root it uses sudo, without that it names the command.
set -eu

declare -A package_of=(
  [cc]=gcc [c++]=g++ [cmake]=cmake [make]=make [pkg-config]=pkg-config
  [chromium]=chromium [ffmpeg]=ffmpeg [ffprobe]=ffmpeg [firefox-esr]=firefox-esr
  [gst-launch-1.0]="gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav"
  [mpv]=mpv [nginx]=nginx [promtool]=prometheus [python3]=python3 [turnserver]=coturn [vlc]="vlc-bin vlc-plugin-base"
)

# Where Debian has nginx, which is on the path of root alone.
PATH=$PATH:/usr/sbin
missing=()
need() {
  for program in "$@"; do
    # Some need more than one package.
    # shellcheck disable=SC2206
    command -v "$program" >/dev/null 2>&1 || missing+=(${package_of[$program]})
  done
}

# at_least WANTED FOUND NAME
at_least() {
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ] && return
  echo "$3 is version $2 here: weblive needs $1 or later" >&2
  exit 1
}

for group in "$@"; do
  case $group in
    build)
      for tool in cargo node npm; do
        command -v "$tool" >/dev/null 2>&1 || { echo "$tool is not installed: weblive needs the Rust toolchain, Node and npm" >&2; exit 1; }
      done
      # Debian's own packages of these are older than the lock files and the web build allow.
      at_least 1.95 "$(cargo --version | cut -d' ' -f2)" "the Rust toolchain"
      at_least 20.19 "$(node -p process.versions.node)" Node
      need cc c++ cmake make
      ;;
    test)
      need chromium firefox-esr ffmpeg ffprobe gst-launch-1.0 mpv nginx promtool python3 turnserver vlc
      python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
      ;;
    *) echo "usage: $0 [build] [test]" >&2; exit 2 ;;
  esac
done

[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "as root, run: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
