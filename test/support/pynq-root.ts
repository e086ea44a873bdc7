/** What a PYNQ 3.1 image on a PYNQ-Z2 says of itself, file by file (public recipes of the image; no board was read). */
export const pynqRoot = (): Record<string, string> => ({
  'etc/os-release': 'NAME="PynqLinux"\nID=pynqlinux\nID_LIKE=ubuntu\nVERSION_ID="3.1"\n',
  'etc/environment': 'PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\nRESIZED=1\n',
  'proc/device-tree/chosen/pynq_board': 'Pynq-Z2\0',
  'proc/cpuinfo': 'processor\t: 0\nmodel name\t: ARMv7 Processor rev 0 (v7l)\nFeatures\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpd32\n',
  'proc/meminfo': 'MemTotal:         503464 kB\nMemFree:          300000 kB\nMemAvailable:     400000 kB\nCmaTotal:         131072 kB\nCmaFree:           42336 kB\n',
  'sys/class/fpga_manager/fpga0/state': 'operating\n',
});
