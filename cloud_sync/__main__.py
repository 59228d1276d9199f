"""`python -m cloud_sync` is the `cloud-sync` command."""

from cloud_sync.cli import main

main()
