package roll

import (
	"slices"
	"syscall"
)

// networkFilesystems have no memory that processes share on them, as a
// write-ahead log needs. Source: linux/magic.h and statfs(2).
var networkFilesystems = []uint32{
	0x6969,     // NFS
	0xff534d42, // CIFS
	0xfe534d42, // SMB2
	0x517b,     // SMB
	0x01021997, // 9P
	0x5346414f, // AFS
	0x00c36400, // Ceph
	0x0bd00bd0, // Lustre
	0x65735546, // FUSE: sshfs and others
}

// onNetwork reports whether the folder is on a network filesystem.
func onNetwork(dir string) bool {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return false
	}
	return slices.Contains(networkFilesystems, uint32(fs.Type))
}
