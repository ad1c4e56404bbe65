#!/usr/bin/env bash
# Set-up and tests on Debian 13 (trixie), in a folder of its own: as root, with debootstrap.
#   scripts/debian13.sh FOLDER [--cuda] [--no-tests] [TEST FILES, default the whole suite]
# What is missing in FOLDER is made: the system, its packages, a copy of this checkout in FOLDER/root/fewlabels, its node_modules. Then set-up
# and the suite run there. --cuda builds against libtorch-cuda-dev instead (contrib and non-free), with the kernels for GPUs: its packages
# and nvcc's are unpacked beside the installed ones, in FOLDER/opt/cuda, with a stub for libcudnn (Debian's package only downloads
# NVIDIA's). No GPU is needed: the addon is compiled, linked against CUDA's libraries and loaded, and the tests run on the CPU.
# FEWLABELS_MIRROR: another mirror than deb.debian.org.
# apt and npm find their way by the usual variables (http_proxy, npm_config_registry, NODE_EXTRA_CA_CERTS with a path inside of FOLDER).
set -euo pipefail
checkout="$(cd "$(dirname "$0")/.." && pwd)"
mirror="${FEWLABELS_MIRROR:-http://deb.debian.org/debian}"
usage() { sed -n '3,3s/^# *//p' "$0" >&2; exit 2; }
say() { printf 'debian13: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || usage
folder="$1"; shift
cuda=false tests=true files=()
for word in "$@"; do
  case "$word" in
    --cuda) cuda=true ;;
    --no-tests) tests=false ;;
    -*) usage ;;
    *) files+=("$word") ;;
  esac
done
[ "$(id -u)" -eq 0 ] || fail "debootstrap and chroot need root"

if [ ! -e "$folder/etc/debian_version" ]; then
  command -v debootstrap >/dev/null || fail "debootstrap is not here: apt-get install debootstrap"
  say "installing trixie into $folder"
  debootstrap --variant=minbase trixie "$folder" "$mirror" >"$folder.log" 2>&1 || { tail -n 5 "$folder.log" >&2; fail "debootstrap failed ($folder.log)"; }
fi
folder="$(cd "$folder" && pwd)"
grep -q '^13' "$folder/etc/debian_version" || fail "$folder has Debian $(cat "$folder/etc/debian_version"), not 13"

mounted=()
tidy() { for place in "${mounted[@]}"; do umount "$place" || true; done; }
trap tidy EXIT
bring() { mountpoint -q "$folder/$2" || { mount "${@:3}" "$1" "$folder/$2" && mounted=("$folder/$2" "${mounted[@]}"); }; }
bring proc proc -t proc
inside() { chroot "$folder" env HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

packages=(ca-certificates g++ git libgloo-dev libopenblas0-openmp libtorch-dev nodejs npm procps python3)
if $cuda; then packages+=(g++-13); fi # the newest that its nvcc takes
missing=()
for package in "${packages[@]}"; do
  inside dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  cp -L /etc/resolv.conf "$folder/etc/resolv.conf" 2>/dev/null || true
  inside apt-get -q update
  inside apt-get -qq install -y --no-install-recommends "${missing[@]}"
fi

# Processes that train together meet under the machine's name, and libtorch 2.6 under no other.
grep -qw "$(hostname)" "$folder/etc/hosts" || echo "127.0.1.1 $(hostname)" >>"$folder/etc/hosts"

say "copying the checkout"
place=/root/fewlabels
mkdir -p "$folder$place"
# node_modules and what was built stay; files that the checkout no longer has go.
find "$folder$place" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name build ! -name dist -exec rm -rf {} +
git -C "$checkout" ls-files -z --cached --others --exclude-standard |
  (cd "$checkout" && xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh) |
  tar -C "$checkout" --null --no-recursion -T - -c | tar -C "$folder$place" -x
if ! cmp -s "$folder$place/package-lock.json" "$folder$place/node_modules/.of-lock"; then
  say "npm ci"
  inside npm --prefix "$place" ci --no-fund --no-audit
  cp "$folder$place/package-lock.json" "$folder$place/node_modules/.of-lock"
fi

environment=()
if $cuda; then
  opt="$folder/opt/cuda"
  list="$folder/etc/apt/sources.list.d/fewlabels-cuda.list"
  if [ ! -e "$opt/packages/all" ] && [ ! -e "$opt/complete" ]; then
    echo "deb $mirror trixie contrib non-free" >"$list"
    cp -L /etc/resolv.conf "$folder/etc/resolv.conf" 2>/dev/null || true
    inside apt-get -q update
    # What an installation would bring that can be linked: not the driver, not the downloader of cuDNN, not what libtorch does not ask for.
    plan="$(inside apt-get -s --no-install-recommends install libtorch-cuda-dev)"
    wanted='^lib(cu|nccl|nv(jitlink|rtc|toolsext)|gloo-cuda|tensorpipe-cuda|thrust|torch-cuda)|^nvidia-cuda-dev'
    mapfile -t wanted < <(awk '/^Inst /{print $2}' <<<"$plan" | grep -E "$wanted" | grep -vE '^libcu(rl|pti|inj|fftw)|mg11')
    wanted+=(libgloo-cuda-dev nvidia-cuda-toolkit libnvvm4) # nothing asks for them: several processes, nvcc
    say "fetching ${#wanted[@]} packages of CUDA"
    mkdir -p "$opt/packages"
    inside sh -c 'cd /opt/cuda/packages && apt-get -q -o APT::Sandbox::User=root download "$@"' sh "${wanted[@]}"
    touch "$opt/packages/all"
  fi
  if [ ! -e "$opt/complete" ]; then
    say "unpacking them into $opt"
    for package in "$opt"/packages/*.deb; do
      # Static libraries are most of them, and nobody links one but CUDA's runtime.
      inside dpkg-deb --fsys-tarfile "${package#"$folder"}" | tar -x --exclude='*.a' -C "$opt"
      case "$package" in */nvidia-cuda-dev_*)
        inside dpkg-deb --fsys-tarfile "${package#"$folder"}" | tar -x -C "$opt" --wildcards '*/libcudart_static.a' ;;
      esac
      rm "$package"
    done
    ln -sfn usr/include "$opt/include"
    ln -sfn usr/lib/x86_64-linux-gnu "$opt/lib"
    # The driver's package keeps its library in a folder of alternatives.
    find "$opt/usr/lib" -name 'libcuda.so.1' -path '*/nvidia/*' -printf '/opt/cuda/usr/lib/%P\n' | while read -r library; do ln -sf "$library" "$opt/lib/libcuda.so.1"; done
    # nvcc knows these by their places in the system.
    ln -sfn /opt/cuda/usr/lib/nvidia-cuda-toolkit "$folder/usr/lib/nvidia-cuda-toolkit"
    cp "$opt/etc/nvcc.profile" "$folder/etc/"
    rm -r "$opt/packages"
    touch "$opt/complete"
  fi
  if [ ! -e "$opt/cudnn.map" ]; then
    # libtorch is bound when it is loaded: a stub with every function of cuDNN that it asks for, or Python's part of it, each of which fails.
    asked="$(inside readelf --dyn-syms -W /opt/cuda/lib/libtorch_cuda.so /opt/cuda/lib/libtorch_python.so |
      sed -n 's/.* UND \(cudnn[A-Za-z0-9_]*\)@.*/\1/p' | sort -u)"
    sed 's/.*/int &(void) { return 1; }/' <<<"$asked" >"$opt/cudnn.c"
    echo 'libcudnn.so.9 { global: cudnn*; };' >"$opt/cudnn.map"
    inside gcc -shared -fPIC -Wl,-soname,libcudnn.so.9 -Wl,--version-script=/opt/cuda/cudnn.map -o /opt/cuda/lib/libcudnn.so.9 /opt/cuda/cudnn.c
  fi
  # Gloo's libraries are not in the architecture's folder.
  environment=(FEWLABELS_LIBTORCH=/opt/cuda LD_LIBRARY_PATH=/opt/cuda/lib:/opt/cuda/usr/lib CPATH=/opt/cuda/include
    PATH=/usr/sbin:/usr/bin:/sbin:/bin:/opt/cuda/usr/bin)
fi

say "set-up"
started=$SECONDS
inside env "${environment[@]}" sh -c "cd $place && node scripts/setup.mjs"
say "set-up took $((SECONDS - started)) s"
if $cuda; then
  needed="$(inside readelf -d "$place/build/fewlabels.node" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')"
  for library in libtorch_cuda libc10_cuda libtorch_cpu libc10; do
    grep -q "^$library.so" <<<"$needed" || fail "the addon does not ask for $library: $(tr '\n' ' ' <<<"$needed")"
  done
  say "the addon asks for" $needed
  kernels="$(inside nm -C "$place/build/fewlabels.node" | grep -c ' [tT] fewlabels::cuda::' || true)"
  [ "$kernels" -gt 0 ] || fail "the addon has no kernels for GPUs"
  say "and has $kernels functions of its kernels for GPUs"
fi
inside env "${environment[@]}" sh -c "cd $place && node bin/fewlabels.js doctor" || true
$tests || exit 0
inside env "${environment[@]}" sh -c "cd $place && npx vitest run --maxWorkers=1 \"\$@\"" sh "${files[@]}"
