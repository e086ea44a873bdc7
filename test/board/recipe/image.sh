#!/bin/sh
# Run in a fresh Debian root: what its users meet of a PYNQ image. Public passwords, a sudo that asks, the image's services.
set -eu
useradd --create-home --shell /bin/bash --groups adm,sudo xilinx
printf '%s\n' xilinx:xilinx root:xilinx | chpasswd
sed -i -e '/env_reset/d' -e '/secure_path/d' /etc/sudoers
echo 'Defaults env_keep += "BOARD"' >>/etc/sudoers
visudo -cq
echo pynq >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 pynq\n' >/etc/hosts
venv=/usr/local/share/pynq-venv
mkdir -p $venv/bin
ln -s /usr/bin/python3 $venv/bin/python3
printf 'home = /usr/bin\ninclude-system-site-packages = true\n' >$venv/pyvenv.cfg

# Stand-ins by the names and with the order of the image's own: Jupyter's answers on its port, boot.py's only ends.
cat >/etc/systemd/system/jupyter.service <<'UNIT'
[Unit]
Description=Stand-in for the image's Jupyter, as root on its port
[Service]
ExecStart=/usr/bin/python3 -m http.server 9090 --directory /var/empty
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p /var/empty
for name in bootpy clear_pl_statefile; do
	cat >/etc/systemd/system/$name.service <<UNIT
[Unit]
Description=Stand-in for the image's $name
[Service]
Type=oneshot
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
UNIT
done
systemctl enable -q jupyter bootpy clear_pl_statefile
# The kernel sets the network up; without udev nobody announces the console, which a getty would wait for; nothing here has a network to ask for updates.
systemctl mask -q serial-getty@ttyPS0.service getty@tty1.service apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service e2scrub_all.timer systemd-networkd.service
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
