/**
 * Command lines that virt-install itself and Baton are given, as a shell would split them, in a directory that has the files
 * `disk.qcow2`, `disk.raw`, `x.iso`, `vmlinuz` and `initrd.gz`; and a pool `default` with a volume `x.qcow2`.
 */
const wholeLines: readonly string[] = [
  '--name=centos --memory=1024 --vcpus=1 --disk size=8 --os-variant=centos7.0 --cdrom x.iso',
  '--name a --memory 512 --osinfo generic --disk none --import --disk disk.qcow2',
  '--name a --osinfo debian11 --disk size=4 --cdrom x.iso',
  '--name a --memory 2048 --vcpus 4 --osinfo win10 --disk size=20 --cdrom x.iso',
  '--name a --memory 1024 --osinfo debian11 --disk none --pxe',
  '--name a --memory 1024 --osinfo debian11 --disk size=8 --pxe --network bridge=br0',
  '--name a --memory 1024 --osinfo debian11 --import --disk path=disk.raw,format=raw,bus=virtio,serial=abc --disk size=2,bus=sata',
  '--name a --memory memory=1024,maxmemory=4096 --osinfo debian11 --import --disk disk.qcow2 --vcpus 2',
  '--name a --memory 1024 --osinfo linux2022 --disk none --boot kernel=vmlinuz,initrd=initrd.gz,cmdline="console=ttyS0 quiet" --graphics none',
  '--name a --memory 1024 --osinfo ubuntu22.04 --disk size=10 --cdrom x.iso --graphics vnc --autostart',
  '--name a --memory 4096 --osinfo rhel8.0 --disk size=10,format=raw,sparse=no --cdrom x.iso',
  '--name a --memory 2048 --osinfo fedora37 --disk pool=default,size=5 --cdrom x.iso',
  '--name a --ram 512 --os-variant alpinelinux3.15 --disk path=new.img,size=1 --cdrom x.iso --nographics',
  '--name a --memory 1024 --osinfo freebsd13.0 --disk size=8 --cdrom x.iso',
  '--name a --memory 1024 --osinfo detect=on,require=off --disk size=8 --cdrom x.iso',
  '--name a --memory 2048 --osinfo win2k19 --disk size=20,bus=virtio --cdrom x.iso --network network=default,model=virtio',
  '--name a --memory 512 --osinfo cirros0.5.2 --import --disk disk.qcow2',
  '--name a --memory 1024,hugepages=yes --osinfo debian11 --import --disk disk.qcow2 --memtune hard_limit=2097152',
  '--name a --memory 1024 --osinfo debian11 --import --disk vol=default/x.qcow2',
  '--name a --memory 1024 --osinfo debian11 --import --disk disk.qcow2,bus=scsi,cache=none,io=native --controller scsi,model=virtio-scsi',
  '--name a --memory 1024 --osinfo debian11 --import --disk disk.qcow2,boot.order=2,discard=unmap --network user,boot.order=1',
] // biome-ignore format: one to a line

/** What is said beside a plain guest that boots from a disk that is there. */
const additions: readonly string[] = [
  '--graphics none',
  '--graphics vnc,listen=0.0.0.0,port=5901,password=secret',
  '--graphics spice --video qxl',
  '--network user --noautoconsole',
  '--network none',
  '--network network=default,model=e1000,mac=52:54:00:11:22:33',
  '--network type=direct,source=eth0,source.mode=bridge,model=virtio',
  '--vcpus 2,maxvcpus=4,sockets=2,cores=2,threads=1',
  '--cpu host-model',
  '--cpu Nehalem,+vmx,-svm,require=ssse3',
  '--boot hd,cdrom,network,menu=on',
  '--machine pc',
  '--serial file,path=/tmp/s.log --console pty,target.type=virtio',
  '--channel unix,target.type=virtio,target.name=org.qemu.guest_agent.0',
  '--rng /dev/random --watchdog i6300esb,action=reset --memballoon none',
  '--sound none --video vga --input tablet,bus=usb',
  '--tpm emulator,model=tpm-crb,version=2.0',
  '--filesystem /srv,share --memorybacking source.type=memfd,access.mode=shared',
  '--filesystem type=mount,source.dir=/srv,target.dir=tag,driver.type=virtiofs',
  '--metadata title=web,description=hello --uuid 11111111-2222-3333-4444-555555555555',
  '--features kvm.hidden.state=on,acpi=off --clock offset=localtime,rtc_tickpolicy=merge',
  '--events on_poweroff=preserve,on_crash=restart --pm suspend_to_mem=on',
  '--cputune vcpupin0.vcpu=0,vcpupin0.cpuset=0-1 --numatune 0,memory.mode=preferred',
  '--qemu-commandline="-fw_cfg name=x,string=y"',
  '--sysinfo system.manufacturer=Acme,system.serial=1 --iothreads 2',
  '--controller usb,model=none --controller pci,model=pcie-root',
  '--vsock cid.auto=yes --panic default --shmem name=s,model.type=ivshmem-plain,size=4',
  '--xml ./title=x --xml xpath.delete=./devices/sound',
  '--disk device=cdrom,path=x.iso --disk device=floppy,path=disk.raw',
  '--redirdev usb,type=spicevmc --smartcard host',
  '--arch i686',
  '--parallel none --serial none --console none',
  '--boot loader=/usr/share/qemu/bios.bin,bios.useserial=on',
  '--boot firmware=efi,firmware.feature0.name=secure-boot,firmware.feature0.enabled=no',
  '--graphics spice,gl.enable=yes,listen=none --video virtio,accel3d=yes',
  '--network network=default --network bridge=br1,model=rtl8139',
  '--serial tcp,host=127.0.0.1:4555,mode=bind,protocol=telnet --serial pty',
  '--audio type=none,id=1 --idmap uid.start=0,uid.target=1000,uid.count=10',
  '--cpu host-passthrough,cache.mode=passthrough',
  '--cpu host-model,topology.sockets=1,topology.cores=2,topology.threads=2 --vcpus 4',
  '--vcpus 2,cpuset=0-1',
  '--boot uefi',
  '--boot uefi,menu=on,useserial=on',
  '--network bridge=br0,model=virtio,mac=52:54:00:11:22:33,driver.queues=4',
  '--network network=default,portgroup=web,filterref.filter=clean-traffic,mtu.size=1400',
  '--disk pool=default,size=2,bus=virtio,cache=writeback',
  '--disk disk.raw,bus=usb,removable=on,readonly=on --disk disk.raw,device=lun,bus=scsi',
  '--controller scsi,model=virtio-scsi,driver.queues=4 --controller usb3',
  '--controller usb2 --input keyboard,bus=virtio',
  '--graphics vnc,listen=127.0.0.1,port=-1,keymap=de --video vga,vram=16384',
  '--graphics spice,port=5930,tlsport=5931,image.compression=off --channel spicevmc',
  '--rng builtin --watchdog default',
  '--rng random,backend=/dev/urandom,rate.bytes=1024,rate.period=1000 --watchdog ib700,action=poweroff',
  '--memballoon virtio,autodeflate=on,stats.period=10',
  '--console pty,target_type=virtio --serial pty,log.file=/tmp/a.log,log.append=on',
  '--channel name=org.example.0,type=unix --tpm none',
  '--tpm default',
  '--tpm /dev/tpm0,model=tpm-tis',
  '--boot network,hd --network network=default,boot.order=1',
  '--resource partition=/machine/web',
] // biome-ignore format: one to a line

const plainGuest = '--name a --memory 1024 --osinfo debian11 --import --disk disk.qcow2'

export const commandLines: readonly string[] = [...wholeLines, ...additions.map((words) => `${plainGuest} ${words}`)]

/** As sh(1) splits a line of plain words and quotes. */
export function shellWords(line: string): string[] {
  return Array.from(line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g), ([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'),
  )
}
