/** What `virt-install --help` says. */
export const helpText = `usage: virt-install --name NAME --memory MB STORAGE INSTALL [options]

Create a virtual machine on libvirt, with the options of virt-install 4.1.

General:      --connect URI  -n, --name  --memory MIB[,maxmemory=…]  --vcpus N[,maxvcpus=…,sockets=…]  --cpu MODEL[,+feature]
              --metadata  --xml XPATH=VALUE
Installation: --cdrom PATH  --pxe  --import  --boot hd|cdrom|network|uefi|kernel=…,initrd=…,cmdline=…
OS:           --osinfo NAME (--os-variant); \`--osinfo list\` prints all names
Devices:      --disk PATH|size=GIB|none[,…]  --network NAME|bridge=…|user|none[,…]  --graphics vnc|spice|none[,…]
              --controller --input --serial --parallel --channel --console --hostdev --filesystem --sound --audio --watchdog
              --video --smartcard --redirdev --memballoon --tpm --rng --panic --shmem --memdev --vsock --iommu
Guest:        --iothreads --seclabel --keywrap --cputune --numatune --memtune --blkiotune --memorybacking --features --clock
              --pm --events --resource --sysinfo --qemu-commandline --launchSecurity --idmap
Platform:     --virt-type kvm|qemu  --arch  --machine
Other:        --autostart --transient --print-xml [STEP] --dry-run --check --noautoconsole --quiet

Each option that takes \`key=value\` pairs lists them: \`--disk=?\`.
`
