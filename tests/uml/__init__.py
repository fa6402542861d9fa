"""What needs a kernel with NFS and IPVS: tried in a User-Mode Linux guest."""
