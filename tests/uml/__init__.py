"""Tests that need a kernel with NFS and IPVS, in a User-Mode Linux guest."""
