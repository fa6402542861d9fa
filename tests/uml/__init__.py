"""What needs a kernel with NFS: tried in a User-Mode Linux guest."""
