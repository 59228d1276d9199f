"""Stage packs at the truck: fetched, proven, staged, activated, rolled back."""
