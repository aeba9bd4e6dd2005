#!/usr/bin/env bash
# In a bare root without a compiler: the .deb of the current folder, all that it installs, a training, and its removal.
# shellcheck source=tests/system/inside/lib.sh
. "$(dirname "$0")/lib.sh"

# what the system has, except for what changes with any package
files() {
  find / -xdev \( -path /linnet -o -path /tmp -o -path /root -o -path /var/cache -o -path /var/log -o -path /var/lib/apt \
    -o -path /var/lib/dpkg/info \) -prune -o -name '*linnet*' -print | sort
}

stage "apt install ./linnet.deb"
! command -v gcc cc make || die "the root has a compiler"
apt-get -qq update
install man-db bash-completion zsh fish
files >/tmp/before
install ./linnet.deb # without recommendations: no Open MPI
linnet version
linnet version --json
linnet doctor
linnet doctor | grep -qE "^cpu engine +ready: oneDNN"
linnet doctor | grep -qE "^MPI +MPI is not available: .*apt install openmpi-bin"

stage "man pages"
for page in /usr/share/man/man1/linnet*.1.gz; do
  name=$(basename "$page" .1.gz)
  warnings=$(MANWIDTH=100 man --warnings "$name" 2>&1 >/tmp/page)
  [ -z "$warnings" ] || die "man $name: $warnings"
  grep -q NAME /tmp/page
done
echo "$(find /usr/share/man/man1 -name 'linnet*' | wc -l) pages, no warning"
man linnet-train >/tmp/page
grep -q "data.batch_size" /tmp/page

stage "completion in bash, zsh and fish"
bash -c '
  . /usr/share/bash-completion/bash_completion # as .bashrc and /etc/profile.d do
  if declare -F _comp_load >/dev/null; then _comp_load linnet # 2.12 and later
  else _completion_loader linnet; fi
  complete -p linnet
  COMP_WORDS=(linnet tr) COMP_CWORD=1
  _linnet
  [ "${COMPREPLY[*]}" = train ]'
cat >/tmp/typed.zsh <<'ZSH'
zmodload zsh/zpty
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell 'autoload -Uz compinit; compinit -u -d /tmp/zcompdump; echo rea""dy'
zpty -r -m shell text '*ready*'
zpty -w -n shell $'linnet vers\t\n'
zpty -r -m shell text '*linnet version*commit*compiler*'
ZSH
timeout 30 zsh -f /tmp/typed.zsh
[ "$(fish -c 'complete -C "linnet tr"' | cut -f 1)" = train ]
[ "$(fish -c 'complete -C "linnet train --device c"' | cut -f 1 | paste -sd ' ')" = "cpu cuda" ]

stage "training, stopped and resumed, and its report"
linnet shapes /tmp/run/data --train 20 --val 4
stopped_and_resumed linnet /tmp/run/one --data /tmp/run/data
rm /tmp/run/one/stopped/report.html
linnet report /tmp/run/one/stopped
grep -q '</html>' /tmp/run/one/stopped/report.html
linnet train /tmp/run/data --config demo --out /tmp/run/demo --max-epochs 1 --lr 0.02 --workers 1

stage "Open MPI, two ranks, stopped and resumed"
install openmpi-bin
linnet doctor | grep -E "^MPI +ready"
stopped_and_resumed linnet /tmp/run/two --data /tmp/run/data --devices 2

stage "the examples of liblinnet with pkg-config"
install gcc libc6-dev make pkg-config
pkg-config --modversion linnet
cp -r /usr/share/doc/linnet/examples /tmp/examples
make -C /tmp/examples
image=/tmp/run/data/val/ring/0000.jpg checkpoint=/tmp/run/one/whole/checkpoints/resnet18/last.ckpt
/tmp/examples/predict $checkpoint $image | tee /tmp/predicted
linnet predict $checkpoint $image --csv | awk -F, 'NR > 1 { print $4 "," $3 "," $5 }' | cmp - /tmp/predicted
/tmp/examples/batches /tmp/run/data data.batch_size 50 | grep "^batch 3: 50 images"

stage "apt purge linnet"
apt-get -qq purge -y linnet >/dev/null
files >/tmp/after
diff /tmp/before /tmp/after || die "the removed package left files"
stage "end of $0"
